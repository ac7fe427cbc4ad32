"""The pictures of jobs as files, written aside and renamed."""

import contextlib
import re
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

from oncoserve.errors import JobsUnavailable, UploadNotFound
from oncoserve.jobs.ports import PresignedUpload
from oncoserve.runtime.files import write_whole
from oncoserve.runtime.threads import CpuThreads

KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", re.ASCII)
THREADS = 2
ORPHAN_S = 300.0  # how long pictures without a job have to be there, unchanged

T = TypeVar("T")


class FileObjectStore:
    """The ObjectStore of one machine: `<folder>/<key>`. It cannot hand out upload addresses.

    Args:
        folder: where the files go; made with the first one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unknown: dict[Path, tuple[int, float]] = {}  # when which state of a job's folder was seen first
        self._threads = CpuThreads(THREADS)

    async def put(self, key: str, data: bytes) -> None:
        """See the port."""
        path = self._path(key)
        await self._run(lambda: write_whole(path, data, durable=True))  # a job's record relies on it

    async def get(self, key: str, first_bytes: int | None = None) -> bytes:
        """See the port."""
        return await self._run(_read, self._path(key), -1 if first_bytes is None else first_bytes)

    async def delete(self, key: str) -> None:
        """See the port."""
        await self._run(self._remove, self._path(key))

    async def presign_put(
        self, key: str, size_bytes: int, expires_s: int, sha256: str | None = None
    ) -> PresignedUpload | None:
        """See the port."""
        del key, size_bytes, expires_s, sha256
        return None

    async def presign_get(self, key: str, expires_s: int) -> str | None:
        """See the port."""
        del key, expires_s
        return None

    async def sweep(self, known: Callable[[Sequence[str]], Awaitable[Collection[str]]]) -> int:
        """See the port. Times of files are not asked: they are of a clock that can be set."""
        folders = await self._run(lambda: list(self._folder.glob("jobs/*")))
        there = set(await known([folder.name for folder in folders])) if folders else set()
        unknown = [folder for folder in folders if folder.name not in there]
        return await self._run(self._sweep, unknown)

    async def close(self) -> None:
        """Wait for running work."""
        self._threads.close()

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        try:
            return await self._threads.run(work, *args)
        except OSError as error:
            raise JobsUnavailable(error.strerror or "unknown reason") from error

    def _path(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise UploadNotFound  # such as one that leads out of the folder, in a message that is not ours
        return self._folder / key

    def _remove(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
            if path.parent != self._folder:
                with contextlib.suppress(OSError):  # it is not empty, or another process removed it first
                    path.parent.rmdir()

    def _sweep(self, unknown: Sequence[Path]) -> int:
        now, removed, still = time.monotonic(), 0, {}
        for folder in unknown:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # another process removed it first
                changed = folder.stat().st_mtime_ns  # another number with each picture that comes
                before = self._unknown.get(folder, (changed, now))
                still[folder] = before if before[0] == changed else (changed, now)
                if now - still[folder][1] >= ORPHAN_S:
                    for path in list(folder.iterdir()):
                        self._remove(path)
                        removed += 1
                    with contextlib.suppress(FileNotFoundError):  # it was empty
                        folder.rmdir()
        self._unknown = still
        return removed


def _read(path: Path, count: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(count)
    except (FileNotFoundError, NotADirectoryError):
        raise UploadNotFound from None
