"""The results of jobs in S3, where callers find them long after the worker has ended."""

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import PurePath
from typing import Any

from oncoserve.errors import ResultNotFound
from oncoserve.jobs.aws.s3_objects import CONTENT_TYPE, S3Objects
from oncoserve.jobs.ports import Show
from oncoserve.results.archive import DOCUMENT
from oncoserve.results.result_store import RESULT_ID

LINK_LIFE_S = 300  # of an address that a caller is redirected to at once
MEDIA_TYPES = {
    ".json": "application/json",
    ".geojson": "application/geo+json",
    ".png": "image/png",
    ".dcm": "application/dicom",
}


class S3Publisher:
    """`Publisher` that copies a result and all that is drawn of it to `results/`.

    Callers ask the service for a result, which leads them to a presigned address: presigned in a job's document, they
    would be out of date soon, and those of a thousand images more than a function may answer with.

    Args:
        objects: the bucket.
        show: a result's document as callers get it.
    """

    def __init__(self, objects: S3Objects, show: Show) -> None:
        self._objects = objects
        self._show = show

    async def publish(
        self,
        owner: str | None,
        document: Mapping[str, Any],
        files: Mapping[str, str],
        draw: Callable[[str], Awaitable[bytes]],
    ) -> None:
        """See the port. The document comes last: where there is one, its files are there."""
        result = document["id"]
        for name in files.values():
            await self._put(_key(owner, result, name), await draw(name))
        await self._put(_key(owner, result, DOCUMENT), json.dumps(self._show(document)).encode())

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
        if not RESULT_ID.fullmatch(result) or not await self._objects.delete_folder(_folder(owner, result)):
            raise ResultNotFound(result)

    async def _put(self, key: str, data: bytes) -> None:
        await self._objects.put_as(key, data, MEDIA_TYPES.get(PurePath(key).suffix, CONTENT_TYPE))


def _key(owner: str | None, result: str, name: str) -> str:
    return f"{_folder(owner, result)}/{name}"


def _folder(owner: str | None, result: str) -> str:
    """An owner's own, so that nobody can read the results of another."""
    return f"results/{result}" if owner is None else f"results/keys/{owner}/{result}"
