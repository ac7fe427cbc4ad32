"""All adapters of several machines that share a PostgreSQL."""

from collections.abc import Awaitable, Callable
from urllib.parse import unquote, urlsplit

from oncoserve.jobs.embedded.embedded_adapters import NothingToPublish
from oncoserve.jobs.embedded.file_objects import FileObjectStore
from oncoserve.jobs.ports import Adapters, ObjectStore
from oncoserve.jobs.postgres.bucket_objects import BucketObjects
from oncoserve.jobs.postgres.postgres_database import PostgresDatabase, Server
from oncoserve.jobs.sql.sql_queue import SqlQueue
from oncoserve.jobs.sql.sql_store import SqlStore
from oncoserve.results.in_bucket.bucket_opening import watch_of
from oncoserve.runtime.service_clock import Clock
from oncoserve.settings import Settings


def open_postgres(settings: Settings, clock: Clock) -> Adapters:
    """The adapters; nothing is opened or made before it is needed.

    Args:
        settings: where things are.
        clock: of the process.
    """
    database = PostgresDatabase(server_of(settings), settings.storage_timeout_s)
    objects, close_objects = objects_of(settings)

    async def close() -> None:
        await close_objects()
        database.close()

    queue = SqlQueue(database, settings.job_lease_s)
    return Adapters(objects, queue, SqlStore(database, queue), NothingToPublish(), clock, close)


def server_of(settings: Settings) -> Server:
    """The database that the settings name."""
    parts = urlsplit(settings.postgres_url)
    return Server(
        parts.hostname or "",
        parts.port or 5432,
        parts.path.strip("/"),
        unquote(parts.username or ""),
        settings.postgres_password_file,
        settings.postgres_tls,
        settings.postgres_ca_file,
    )


def objects_of(settings: Settings) -> tuple[ObjectStore, Callable[[], Awaitable[None]]]:
    """Beside the results: in their bucket, or in a folder that all machines mount."""
    if settings.object_store == "s3":
        bucket = BucketObjects(watch_of(settings))
        return bucket, bucket.close
    files = FileObjectStore(settings.jobs_dir / "objects")
    return files, files.close
