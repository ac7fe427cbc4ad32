"""Which storage jobs live in, chosen by the settings in one place."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from oncoserve.jobs.embedded.database import Database
from oncoserve.jobs.embedded.files import FileObjectStore
from oncoserve.jobs.embedded.queue import SqliteQueue
from oncoserve.jobs.embedded.records import SqliteStore
from oncoserve.jobs.ports import JobQueue, JobStore, ObjectStore, Publisher
from oncoserve.settings import Settings

FOLDER = "jobs"  # in the results' folder, so that one volume holds both


@dataclass(frozen=True)
class Adapters:
    """What stands behind the ports, and how to let go of it."""

    objects: ObjectStore
    queue: JobQueue
    store: JobStore
    publisher: Publisher
    close: Callable[[], Awaitable[None]]


class OwnAddresses:
    """The Publisher where the frontend itself gives out results: there is nothing to publish."""

    async def publish(
        self,
        owner: str | None,
        result: str,
        document: bytes,
        files: Mapping[str, str],
        draw: Callable[[str], Awaitable[bytes]],
    ) -> None:
        """See the port."""

    async def links(self, owner: str | None, result: str, files: Mapping[str, str]) -> Mapping[str, str]:
        """See the port."""
        del owner  # the address does not tell whose it is; the key that asks does
        address = f"/v1/results/{result}"
        return {"result": address, **{link: f"{address}/{file}" for link, file in files.items()}}


def open_adapters(settings: Settings) -> Adapters:
    """The adapters that the settings name; nothing is opened or made before it is needed."""
    if settings.jobs == "aws":
        from oncoserve.jobs.aws.adapters import open_aws  # noqa: PLC0415 - its packages are not installed everywhere

        return open_aws(settings)
    folder = settings.results_dir / FOLDER
    database = Database(folder)
    objects = FileObjectStore(folder / "objects")

    async def close() -> None:
        await objects.close()
        database.close()

    queue = SqliteQueue(database, settings.job_lease_s)
    return Adapters(objects, queue, SqliteStore(database), OwnAddresses(), close)
