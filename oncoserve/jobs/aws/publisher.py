"""The results of jobs in S3, where whoever asks finds them when the worker is long gone."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import PurePath

from oncoserve.errors import ResultNotFound
from oncoserve.jobs.adapters import OwnAddresses
from oncoserve.jobs.aws.objects import CONTENT_TYPE, S3Objects
from oncoserve.results.store import DOCUMENT, RESULT_ID

LINK_LIFE_S = 300  # of an address that a caller is led to at once
MEDIA_TYPES = {".json": "application/json", ".geojson": "application/geo+json", ".png": "image/png"}


class S3Publisher(OwnAddresses):
    """`Publisher` that copies a result and all that is drawn of it to `results/`.

    A job's links stay addresses of the service, which leads to a presigned one when it is asked: presigned in the job,
    they would be out of date soon, and those of a thousand images more than a function may answer with.

    Args:
        objects: the bucket.
    """

    def __init__(self, objects: S3Objects) -> None:
        self._objects = objects

    async def publish(
        self,
        owner: str | None,
        result: str,
        document: bytes,
        files: Mapping[str, str],
        draw: Callable[[str], Awaitable[bytes]],
    ) -> None:
        """See the port. The document comes last: where there is one, its files are there."""
        for name in files.values():
            await self._put(_key(owner, result, name), await draw(name))
        await self._put(_key(owner, result, DOCUMENT), document)

    async def address(self, owner: str | None, result: str, name: str = DOCUMENT) -> str:
        """A presigned address of a result's document or of one of its files.

        Raises:
            ResultNotFound: this owner has no such result, or it has no such file.
            JobsUnavailable
        """
        key = _key(owner, result, name)
        if not RESULT_ID.fullmatch(result) or not await self._objects.exists(key):
            raise ResultNotFound(result)
        return await self._objects.presign_get(key, LINK_LIFE_S)

    async def delete(self, owner: str | None, result: str) -> None:
        """Remove a result with all its files.

        Raises:
            ResultNotFound: this owner has no such result.
            JobsUnavailable
        """
        if not RESULT_ID.fullmatch(result) or not await self._objects.delete_folder(_key(owner, result, "")):
            raise ResultNotFound(result)

    async def _put(self, key: str, data: bytes) -> None:
        await self._objects.put_as(key, data, MEDIA_TYPES.get(PurePath(key).suffix, CONTENT_TYPE))


def _key(owner: str | None, result: str, name: str) -> str:
    """An owner's own folder, so that nobody can read the results of another."""
    return f"results/{result}/{name}" if owner is None else f"results/keys/{owner}/{result}/{name}"
