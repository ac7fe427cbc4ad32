"""Takes results off the disk that have expired or are too many, in one process of all that share the folder."""

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from oncoserve.results.expiry import KEPT_S, LEFT_S, InUse
from oncoserve.results.in_files.file_results import FileResults
from oncoserve.results.result_store import OWNERS
from oncoserve.runtime.threads import CpuThreads

LOCK: Final = ".sweeper"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Found:
    """A file of a result, and when it was used last."""

    used: float
    size_bytes: int
    path: Path


class FileSweeper:
    """Removes results of all owners from a folder, in one process of all that share it.

    Args:
        store: the results of all owners.
        max_bytes: what they may take together; 0 is no limit.
        in_use: asked before a result that has not expired is removed.
    """

    def __init__(self, store: FileResults, max_bytes: int, in_use: InUse) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._in_use = in_use
        self._lock = _Lock(store.folder)
        self._halves: dict[Path, float] = {}  # when each was seen first, by a clock that cannot be set
        self._over = False

    @property
    def needed(self) -> bool:
        """See `Sweeper`."""
        return bool(self._store.ttl_s or self._max_bytes)

    def take(self) -> bool:
        """See `Sweeper`: whoever holds a lock on the folder, until the process ends."""
        return self._lock.take()

    def close(self) -> None:
        """See `Sweeper`."""
        self._lock.close()

    async def sweep(self, threads: CpuThreads) -> None:
        """See `Sweeper`."""
        removed, left = 0, []
        for shard in await threads.run(lambda: list(shards(self._store.folder))):
            gone, stay = await threads.run(self._expire, shard)
            removed += gone
            left += stay
        if removed:
            log.info("expired results removed", extra={"count": removed})
        if self._max_bytes and sum(each.size_bytes for each in left) > self._max_bytes:
            await self._make_room(left, threads)

    async def _make_room(self, found: list[_Found], threads: CpuThreads) -> None:
        kept = await self._in_use()
        total = sum(each.size_bytes for each in found)
        removed = await threads.run(self._evict, sorted(found, key=lambda each: each.used), kept, total)
        total -= sum(each.size_bytes for each in removed)
        if removed:
            log.info("results removed for room", extra={"count": len(removed), "bytes_left": total})
        over = total > self._max_bytes
        if over and not self._over:
            log.warning(
                "the results take more room than they may, and all are in use or new",
                extra={"bytes": total, "limit": self._max_bytes},
            )
        self._over = over

    def _evict(self, oldest_first: list[_Found], kept: Collection[str], total: int) -> list[_Found]:
        removed: list[_Found] = []
        for each in oldest_first:
            if total <= self._max_bytes:
                break
            if each.path.stem in kept:
                continue
            with contextlib.suppress(FileNotFoundError):  # it was deleted
                if self._young(each.path.stat()):  # it was used since it was looked at
                    continue
                each.path.with_suffix(".json").unlink(missing_ok=True)
                each.path.unlink()
            total -= each.size_bytes
            removed.append(each)
        return removed

    def _young(self, status: os.stat_result) -> bool:
        now = self._store.clock.now()
        return now - max(status.st_atime, status.st_mtime) < KEPT_S

    def _expire(self, shard: Path) -> tuple[int, list[_Found]]:
        """Remove what has expired in one folder, and what a process that was killed left behind.

        Returns:
            The number of files removed, and the results that stay.
        """
        removed, stay = 0, []
        for path in shard.iterdir():
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):  # somebody was quicker; nothing of ours
                status = path.stat()
                if self._left_behind(path) if path.name.startswith(".") else self._store.expired(status):
                    path.unlink()
                    self._halves.pop(path, None)
                    removed += 1
                elif path.suffix == ".zip":
                    stay.append(_Found(max(status.st_atime, status.st_mtime), status.st_size, path))
        return removed, stay

    def _left_behind(self, path: Path) -> bool:
        """Whether half a file has been there for so long that nobody writes it; its times may be of any clock."""
        now = time.monotonic()
        for gone in [each for each in self._halves if each.parent == path.parent and not each.exists()]:
            del self._halves[gone]
        return now - self._halves.setdefault(path, now) > LEFT_S


def shards(folder: Path) -> Iterator[Path]:
    """The folders that results of all owners lie in."""
    for root in (folder, *folder.glob(f"{OWNERS}/*")):
        yield from root.glob("[0-9a-f][0-9a-f]")


class _Lock:
    """The lock on the results, which one process holds: taken in a thread, let go whatever the thread is doing.

    Args:
        folder: of the results.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[str] | None = None
        self._over = False
        self._deciding = threading.Lock()

    def take(self) -> bool:
        """Whether it is held now; another process may have it, or nothing is stored yet."""
        if self._file is not None:
            return True
        if not self._folder.is_dir():
            return False
        file = (self._folder / LOCK).open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        with self._deciding:
            if self._over:
                file.close()
            else:
                self._file = file
        return not self._over

    def close(self) -> None:
        """Let it go for good."""
        with self._deciding:
            self._over = True
            if self._file is not None:
                self._file.close()
