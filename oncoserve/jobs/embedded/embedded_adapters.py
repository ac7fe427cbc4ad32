"""All adapters of one machine."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from oncoserve.jobs.embedded.file_objects import FileObjectStore
from oncoserve.jobs.embedded.sqlite_database import SqliteDatabase
from oncoserve.jobs.ports import Adapters
from oncoserve.jobs.sql.sql_queue import SqlQueue
from oncoserve.jobs.sql.sql_store import SqlStore
from oncoserve.runtime.service_clock import Clock
from oncoserve.settings import Settings


class NothingToPublish:
    """The Publisher where callers find results at the frontend itself, which reads them from the same folder."""

    async def publish(
        self,
        owner: str | None,
        document: Mapping[str, Any],
        files: Mapping[str, str],
        draw: Callable[[str], Awaitable[bytes]],
    ) -> None:
        """See the port."""


def open_embedded(settings: Settings, clock: Clock) -> Adapters:
    """The adapters; nothing is opened or made before it is needed.

    Args:
        settings: where things are.
        clock: of the process.
    """
    database = SqliteDatabase(settings.jobs_dir, clock)
    objects = FileObjectStore(settings.jobs_dir / "objects")

    async def close() -> None:
        await objects.close()
        database.close()

    queue = SqlQueue(database, settings.job_lease_s)
    return Adapters(objects, queue, SqlStore(database, queue), NothingToPublish(), clock, close)
