"""The pictures of jobs in a bucket, for workers on any machine."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

from oncoserve.errors import UploadNotFound
from oncoserve.jobs.embedded.file_objects import KEY
from oncoserve.jobs.job_bucket import JobBucket
from oncoserve.jobs.ports import PresignedUpload
from oncoserve.objects.bucket_watch import BucketWatch

FOLDER: Final = "jobs"
ORPHAN_S: Final = 3600.0
"""How old a picture is that no job knows, when it is taken for one that a process left that was killed."""


class BucketObjects:
    """The ObjectStore of several machines.

    Args:
        watch: of the bucket.
    """

    def __init__(self, watch: BucketWatch) -> None:
        self._watch = watch
        self._bucket = JobBucket(watch.bucket, watch.threads)

    async def put(self, key: str, data: bytes) -> None:
        """See the port."""
        await self._bucket.put(_checked(key), data)

    async def get(self, key: str, first_bytes: int | None = None) -> bytes:
        """See the port."""
        return await self._bucket.get(_checked(key), first_bytes)

    async def delete(self, key: str) -> None:
        """See the port."""
        await self._bucket.delete(_checked(key))

    async def presign_put(
        self, key: str, size_bytes: int, expires_s: int, sha256: str | None = None
    ) -> PresignedUpload | None:
        """See the port: callers reach the service, and not the bucket."""
        del key, size_bytes, expires_s, sha256
        return None

    async def presign_get(self, key: str, expires_s: int) -> str | None:
        """See the port."""
        del key, expires_s
        return None

    async def sweep(self, known: Callable[[Sequence[str]], Awaitable[Collection[str]]]) -> int:
        """See the port."""
        found = await self._bucket.list(FOLDER)
        now = self._watch.now() if found else 0.0
        old = [each.key for each in found if now - each.changed > ORPHAN_S]
        there = set(await known(sorted({_job(key) for key in old}))) if old else set()
        gone = [key for key in old if _job(key) not in there]
        for key in gone:
            await self._bucket.delete(key)
        return len(gone)

    async def close(self) -> None:
        """Wait for running work."""
        await self._bucket.close()


def _checked(key: str) -> str:
    if not KEY.fullmatch(key):
        raise UploadNotFound  # such as one that leads out of the folder, in a message that is not ours
    return key


def _job(key: str) -> str:
    return key.removeprefix(f"{FOLDER}/").partition("/")[0]
