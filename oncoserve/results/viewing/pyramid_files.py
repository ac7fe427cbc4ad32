"""Pyramids in memory that all processes of a service have in common."""

import contextlib
import fcntl
import hashlib
import mmap
import os
import secrets
import struct
import tempfile
import time
import weakref
from collections.abc import Hashable, Iterator
from pathlib import Path
from shutil import rmtree
from typing import Final

import numpy as np

from oncoserve.results.viewing.levels import Levels
from oncoserve.results.viewing.pyramid import Pixels, Pyramid, fill, size_of
from oncoserve.runtime.sharing import MEMORY, PREFIX

HEADER: Final = struct.Struct("<qqqq")  # the number of dimensions, height, width and channels
LOCKS: Final = 256
"""Files to lock, so that a pyramid is made once: two of them seldom meet at one."""

FILES: Final = "*.pyramid"


class PyramidFiles:
    """A file for each pyramid, in a folder that is memory. It is mapped for as long as somebody cuts tiles of it.

    So no process holds any: what one made, all have, and what is removed is gone when the last tile is cut.

    Args:
        folder: of the service's processes; None for a process that is alone.
        max_bytes: of all pyramids together; the newest is kept even when it alone is larger.
    """

    def __init__(self, folder: Path | None, max_bytes: int) -> None:
        self._shared = folder
        self._max_bytes = max_bytes
        self._own: Path | None = None

    @property
    def nbytes(self) -> int:
        """What is kept, bytes."""
        return sum(size for _, size, _ in self._found())

    def open(self, key: Hashable, levels: Levels) -> Pyramid | None:
        """The pyramid of that key, used just now; None where there is none."""
        try:
            with self._path(key).open("rb") as file:
                os.utime(file.fileno())
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            return None
        dimensions, *shape = HEADER.unpack_from(content)
        return Pyramid(np.frombuffer(content, np.uint8, offset=HEADER.size), shape[:dimensions], levels)

    def make(self, key: Hashable, levels: Levels, pixels: Pixels, *, averaged: bool = True) -> Pyramid:
        """Make and keep a pyramid; those that were used longest ago go where it would be too much. See `fill`.

        Where the folder has no room for it, it is the caller's alone, and no file.
        """
        size = HEADER.size + size_of(pixels.shape)
        self._make_room(size)
        try:
            with self._new(key, size) as content:
                HEADER.pack_into(content, 0, pixels.ndim, *pixels.shape, *[0] * (3 - pixels.ndim))
                memory = np.frombuffer(content, np.uint8, offset=HEADER.size)
                fill(memory, pixels, averaged=averaged)
        except OSError:
            memory = np.empty(size - HEADER.size, np.uint8)
            fill(memory, pixels, averaged=averaged)
        return Pyramid(memory, pixels.shape, levels)

    def drop(self, key: Hashable) -> None:
        """Forget a pyramid, if it is kept."""
        self._path(key).unlink(missing_ok=True)

    def prune(self, idle_s: float) -> float | None:
        """Remove those that nobody used for so long.

        Returns:
            Seconds until the next will be due; None where none is left.
        """
        now, due = time.time(), None
        for used, _, path in self._found():
            if now - used >= idle_s:
                path.unlink(missing_ok=True)
            elif due is None:  # they come with the oldest first
                due = used + idle_s - now
        return due

    @contextlib.contextmanager
    def lock(self, key: Hashable) -> Iterator[bool]:
        """Whether this process alone makes the pyramid for the length of the block; ask again if not."""
        number = int.from_bytes(self._name(key)[:4].encode()) % LOCKS
        file = os.open(self._folder / f"{number}.making", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            yield _locked(file)
        finally:
            os.close(file)

    @property
    def _folder(self) -> Path:
        if self._own is None:
            self._own = (
                Path(tempfile.mkdtemp(prefix=PREFIX, dir=MEMORY)) if self._shared is None else self._shared / "seen"
            )
            self._own.mkdir(mode=0o700, exist_ok=True)
            if self._shared is None:
                weakref.finalize(self, rmtree, self._own, ignore_errors=True)
        return self._own

    @contextlib.contextmanager
    def _new(self, key: Hashable, size: int) -> Iterator[mmap.mmap]:
        """A file that gets its name when the block ends well, with room for every byte.

        Raises:
            OSError: there is no room.
        """
        aside = self._folder / f"{secrets.token_hex(8)}.new.pyramid"
        try:
            with aside.open("xb+") as file:
                os.posix_fallocate(file.fileno(), 0, size)
                yield mmap.mmap(file.fileno(), size)
            aside.replace(self._path(key))
        finally:
            aside.unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        found = self._found()
        total = size + sum(each for _, each, _ in found)
        for _, each, path in found:
            if total <= self._max_bytes:
                break
            path.unlink(missing_ok=True)
            total -= each

    def _found(self) -> list[tuple[float, int, Path]]:
        """When each was used last, its bytes and its path; what is being made counts, too."""
        found = []
        for path in self._folder.glob(FILES):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        return sorted(found)

    def _path(self, key: Hashable) -> Path:
        return self._folder / f"{self._name(key)}.pyramid"

    def _name(self, key: Hashable) -> str:
        return hashlib.sha256(repr(key).encode()).hexdigest()


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
