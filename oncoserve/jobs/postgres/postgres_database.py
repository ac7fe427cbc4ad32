"""Transactions in PostgreSQL, which any number of machines share.

Leases and ages are counted by the server's clock. A statement waits for a limited time, also for a server that is
frozen; one that was restarted is connected to again.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from socket import create_connection
from ssl import SSLContext, create_default_context
from typing import Any, Final, TypeVar

import pg8000.dbapi
from sqlalchemy import ColumnElement, Connection, Engine, Float, cast, create_engine, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from oncoserve.errors import JobsUnavailable
from oncoserve.jobs.postgres.postgres_faults import said_by
from oncoserve.jobs.postgres.schema import upgrade
from oncoserve.jobs.sql.job_tables import images
from oncoserve.runtime.threads import CpuThreads

THREADS: Final = 4
AGAIN: Final = frozenset({"40001", "40P01"})  # transactions that met another: serialization_failure, deadlock_detected
TRIES: Final = 3
PATIENCE: Final = 1.25
"""How much longer than a statement may take its answer is waited for: a server that is well ends it first."""

T = TypeVar("T")

# Of connections that broke, the calls that they broke tell, in our words.
logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Server:
    """Where a database is, and who asks.

    Attributes:
        host, port, database, user: of it.
        password_file: read with each connection; None for what needs none.
        tls: whether the server has to show a certificate of its name.
        ca_file: certificates, PEM, of who may vouch for it; None for those of the system.
    """

    host: str
    port: int
    database: str
    user: str
    password_file: Path | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: Path | None = None


class PostgresDatabase:
    """Runs transactions in threads of its own; makes or upgrades the tables with the first one.

    Args:
        server: where it is.
        timeout_s: seconds that a statement, and the way to the server, may take.
    """

    _outcome = cast(images.c.outcome, JSONB)
    finding = func.jsonb_build_array(
        _outcome["finding"]["task"],
        _outcome["finding"]["label"],
        _outcome["finding"]["undetermined"],
        _outcome["finding"]["warnings"],
    )
    """See `SqlDatabase`."""

    def __init__(self, server: Server, timeout_s: float) -> None:
        self._server = server
        self._timeout_s = timeout_s
        self._threads = CpuThreads(THREADS)
        self._making = threading.Lock()
        self._ready = False
        self._engine: Engine = create_engine(
            "postgresql+pg8000://",
            creator=self._connect,
            pool_size=THREADS,
            pool_pre_ping=True,  # one that was lost with a restart of the server is made anew
            pool_timeout=timeout_s,
            isolation_level="READ COMMITTED",
        )

    def steady(self) -> ColumnElement[float]:
        """See `SqlDatabase`: the server's clock, as all three are."""
        return cast(func.extract("epoch", func.clock_timestamp()), Float)

    now = wall = steady

    def alone(self, connection: Connection, what: str) -> None:
        """See `SqlDatabase`."""
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(what))))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """See `SqlDatabase`."""
        return await self._threads.run(self._transact, work)

    write = read

    async def forget(self) -> None:
        """See `SqlDatabase`: the server's own logs are its operators' business."""

    def close(self) -> None:
        """Wait for running transactions and end."""
        self._threads.close()
        self._engine.dispose()

    def _transact(self, work: Callable[[Connection], T]) -> T:
        for attempt in range(1, TRIES + 1):
            try:
                self._prepare()
                with self._engine.begin() as connection:
                    return work(connection)
            except DBAPIError as error:
                if attempt == TRIES or _state(error) not in AGAIN:
                    raise JobsUnavailable(said_by(error.orig, self._server.database)) from None
            except (SQLAlchemyError, OSError) as error:
                raise JobsUnavailable(said_by(error, self._server.database)) from None
        raise AssertionError

    def _prepare(self) -> None:
        """Make the tables, in a transaction of their own."""
        if not self._ready:
            with self._making:
                if not self._ready:
                    with self._engine.begin() as connection:
                        upgrade(connection)
                    self._ready = True

    def _connect(self) -> Any:  # noqa: ANN401 - the driver's own connection
        server = self._server
        password = None if server.password_file is None else server.password_file.read_text().strip()
        # Ours to close: the driver leaves it open where the server refuses us.
        way = create_connection((server.host, server.port), PATIENCE * self._timeout_s)
        try:
            connection = pg8000.dbapi.connect(
                server.user,
                host=server.host,
                sock=way,
                database=server.database,
                password=password,
                ssl_context=self._tls(),
                application_name="oncoserve",
            )
            cursor = connection.cursor()
            milliseconds = int(1000 * self._timeout_s)
            cursor.execute(f"SET statement_timeout = {milliseconds}")
            cursor.execute(f"SET idle_in_transaction_session_timeout = {2 * milliseconds}")
            connection.commit()
        except BaseException:
            way.close()
            raise
        return connection

    def _tls(self) -> SSLContext | None:
        return create_default_context(cafile=self._server.ca_file) if self._server.tls else None


def _state(error: DBAPIError) -> str:
    """PostgreSQL's own code of an error."""
    said = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return str(said.get("C", "")) if isinstance(said, dict) else ""
