"""A bucket for the coroutines that jobs are: what PostgreSQL's and AWS's adapters keep pictures with."""

from collections.abc import Callable
from typing import TypeVar

from oncoserve.errors import JobsUnavailable, StorageUnavailable, UploadNotFound
from oncoserve.objects.bucket import Bucket, Stat
from oncoserve.runtime.threads import CpuThreads
from oncoserve.storage.disk import FileThreads

T = TypeVar("T")


class JobBucket:
    """The objects of a bucket. All methods raise `JobsUnavailable` where it does not answer, or refuses.

    Args:
        bucket: them.
        threads: that may wait for it.
    """

    def __init__(self, bucket: Bucket, threads: FileThreads) -> None:
        self._bucket = bucket
        self._patient = threads
        self._threads = CpuThreads(threads.count)

    async def put(self, key: str, data: bytes, content_type: str = "") -> None:
        """Keep bytes, whatever was there."""
        await self._run(self._bucket.put, key, data, content_type)

    async def get(self, key: str, first_bytes: int | None = None) -> bytes:
        """The bytes, or no more than the first of them.

        Raises:
            UploadNotFound: there is no such object.
        """
        found = await self._run(self._bucket.get, key, first_bytes)
        if found is None:
            raise UploadNotFound
        return found[0]

    async def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        return await self._run(self._bucket.stat, key) is not None

    async def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""
        await self._run(self._bucket.delete, key)

    async def list(self, folder: str) -> list[Stat]:
        """Everything whose key begins with `folder/`."""
        return await self._run(lambda: [*self._bucket.list(folder)])

    async def close(self) -> None:
        """Wait for running work."""
        self._threads.close()

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        try:
            return await self._threads.run(self._patient.run, work, *args)
        except StorageUnavailable as error:
            raise JobsUnavailable(error.reason) from error
