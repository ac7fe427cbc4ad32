"""One SQLite database for the queue and the records of jobs, shared by processes of one machine.

In WAL mode readers never wait for a writer. A transaction that writes takes the lock when it begins (BEGIN IMMEDIATE):
one that began by reading could find, too late to wait, that another had written meanwhile.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, case, create_engine, event, func, literal, text
from sqlalchemy.exc import SQLAlchemyError

from oncoserve.errors import JobsUnavailable
from oncoserve.jobs.sql.job_tables import images, metadata
from oncoserve.runtime.service_clock import Clock
from oncoserve.runtime.threads import CpuThreads

FILE = "jobs.sqlite"
BUSY_TIMEOUT_S = 5
THREADS = 4

T = TypeVar("T")


class SqliteDatabase:
    """Runs transactions in threads of its own, so that one that waits for the lock delays nothing else.

    Args:
        folder: where the database's files are; made with the first transaction.
        clock: of the machine.
    """

    finding = func.json_extract(
        case((func.json_valid(images.c.outcome) == 1, images.c.outcome)),
        "$.finding.task",
        "$.finding.label",
        "$.finding.undetermined",
        "$.finding.warnings",
    )
    """See `SqlDatabase`; null where there is no outcome, or a damaged one."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._threads = CpuThreads(THREADS)
        self._making = threading.Lock()
        self._made: Engine | None = None
        self._opened: int | None = None

    def steady(self) -> ColumnElement[float]:
        """See `SqlDatabase`."""
        return literal(self._clock.steady())

    def now(self) -> ColumnElement[float]:
        """See `SqlDatabase`."""
        return literal(self._clock.now())

    def wall(self) -> ColumnElement[float]:
        """See `SqlDatabase`."""
        return literal(time.time())

    def alone(self, connection: Connection, what: str) -> None:
        """See `SqlDatabase`: here whoever writes is alone anyhow."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction that only reads.

        Raises:
            JobsUnavailable: the database does not answer.
        """
        return await self._threads.run(self._transact, "BEGIN", work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction that writes; when it returns, what it wrote survives a loss of power.

        Raises:
            JobsUnavailable: the database does not answer, or was locked for longer than BUSY_TIMEOUT_S.
        """
        return await self._threads.run(self._transact, "BEGIN IMMEDIATE", work)

    async def forget(self) -> None:
        """Remove what was deleted from the write-ahead log too, except where somebody is reading it."""
        await self._threads.run(self._transact, "", lambda connection: connection.execute(CHECKPOINT).all())

    def close(self) -> None:
        """Wait for running transactions and end."""
        self._threads.close()
        if self._made is not None:
            self._made.dispose()

    def _transact(self, begin: str, work: Callable[[Connection], T]) -> T:
        try:
            with self._engine().connect() as connection:
                if not begin:
                    return work(connection)
                connection.exec_driver_sql(begin)
                try:
                    result = work(connection)
                except BaseException:
                    connection.exec_driver_sql("ROLLBACK")
                    raise
                connection.exec_driver_sql("COMMIT")
                return result
        except SQLAlchemyError as error:
            raise JobsUnavailable(str(getattr(error, "orig", None) or "unknown reason")) from error
        except OSError as error:
            raise JobsUnavailable(error.strerror or "unknown reason") from error

    def _engine(self) -> Engine:
        with self._making:
            if self._made is not None and self._file() != self._opened:
                # It was removed or replaced; our connections would go on with a file that no other process sees.
                self._made.dispose()
                self._made = None
            if self._made is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                engine = create_engine(
                    f"sqlite:///{self._folder / FILE}",
                    isolation_level="AUTOCOMMIT",  # so that the driver does not begin transactions by itself
                    connect_args={"timeout": BUSY_TIMEOUT_S},
                    pool_size=THREADS,
                )
                event.listen(engine, "connect", _prepare)
                with engine.connect() as connection:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")  # else two processes could find no tables at once
                    metadata.create_all(connection)
                    connection.exec_driver_sql("COMMIT")
                self._made, self._opened = engine, self._file()
            return self._made

    def _file(self) -> int | None:
        """The number of the database's file, for as long as it is the same one."""
        try:
            return (self._folder / FILE).stat().st_ino
        except (FileNotFoundError, NotADirectoryError):
            return None


CHECKPOINT = text("PRAGMA wal_checkpoint(TRUNCATE)")


def _prepare(connection: Any, record: object) -> None:  # noqa: ANN401 - the driver's own connection
    del record
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")  # a job that was accepted is not lost with the power
    cursor.execute("PRAGMA secure_delete = ON")  # file names may identify people: deleted means overwritten
    cursor.close()
