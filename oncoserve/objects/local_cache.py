"""Versions of objects as files of this machine, so that what was fetched once is only asked after."""

import contextlib
import hashlib
import logging
import os
import time
from pathlib import Path
from typing import IO, Final

from oncoserve.runtime.files import write_whole

UNUSED_S: Final = 600.0
"""How long a file stays that nobody opens: an object that was deleted elsewhere is gone here by then."""

USE_NOTED_S: Final = 30.0
PART: Final = 16
"""Files are counted when this part of the limit was added since the last count."""

log = logging.getLogger(__name__)


class LocalCache:
    """A folder that any number of processes use, and that may be lost at any time: what is in it is elsewhere too.

    A file is named after key and version, so that none is ever stale. A disk that is full or broken costs time only.

    Args:
        folder: made when it is missing.
        max_bytes: of all files; the ones that were not opened for longest go first.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._added = max_bytes  # as if: the first file counts what others left
        self._told = False

    def open(self, key: str, etag: str) -> IO[bytes] | None:
        """A version of an object, if it is here."""
        path = self._path(key, etag)
        try:
            file = path.open("rb")
        except OSError:
            return None
        with contextlib.suppress(OSError):
            if time.time() - os.fstat(file.fileno()).st_mtime > USE_NOTED_S:
                os.utime(file.fileno())
        return file

    def keep(self, key: str, etag: str, data: bytes) -> None:
        """Keep a version of an object."""
        if len(data) > self._max_bytes:
            return
        try:
            write_whole(self._path(key, etag), data)
            self._added += len(data)
            if self._added > self._max_bytes // PART:
                self._added = 0
                self.prune()
        except OSError as error:
            if not self._told:
                log.warning("results are not kept on this machine", extra={"reason": error.strerror})
            self._told = True

    def forget(self, key: str, etag: str) -> None:
        """Remove a version of an object, if it is here."""
        with contextlib.suppress(OSError):
            self._path(key, etag).unlink()

    def prune(self) -> None:
        """Remove what nobody opens, and what is too much.

        Raises:
            OSError: the folder cannot be read.
        """
        found = []
        for path in self._folder.glob("*/*"):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in found)
        for used, size, path in sorted(found):
            if total <= self._max_bytes and time.time() - used < UNUSED_S:
                break
            path.unlink(missing_ok=True)
            total -= size

    def _path(self, key: str, etag: str) -> Path:
        name = hashlib.sha256(f"{key}\n{etag}".encode()).hexdigest()
        return self._folder / name[:2] / name[2:32]
