"""Received instances on disk until their outputs are stored: safe before their sender hears so, gone when done.

A folder for each association, files in it by their numbers: no name of the spool is anybody's. A folder is named
`incoming-N` while its association lasts and `ready-N` afterwards; one that a killed process left is ready, too.
"""

import fcntl
import os
import shutil
import threading
from pathlib import Path
from typing import IO, Final

from oncoserve.cli.client.client_errors import UsageError
from oncoserve.runtime.files import sync, write_whole

INCOMING, READY, FILES = "incoming-", "ready-", "*.dcm"
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600


class SpoolFull(Exception):
    """There is no room for what comes in; its sender keeps it."""


class Spool:
    """A folder on disk that one process uses.

    Args:
        folder: is made where it is missing; others cannot look into it.
        most_bytes: of all files in it.
        keep_free_bytes: of the disk that it lies on.

    Raises:
        UsageError: another process uses it, or it cannot be made.
    """

    def __init__(self, folder: Path, most_bytes: int, keep_free_bytes: int) -> None:
        self._folder, self._most_bytes, self._keep_free_bytes = folder, most_bytes, keep_free_bytes
        self._changing = threading.Lock()
        self.sealed: Final = threading.Event()
        """Set where a folder has become ready since it was cleared."""
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        folder.chmod(PRIVATE_FOLDER)
        self._lock = _locked(folder / "lock")
        for left in folder.glob(f"{INCOMING}*"):
            left.rename(folder / left.name.replace(INCOMING, READY))
        self._bytes = sum(path.stat().st_size for path in folder.glob(f"{READY}*/{FILES}"))
        self._last = max((_number(path) for path in folder.glob(f"{READY}*")), default=0)

    def close(self) -> None:
        """Let another process use it."""
        self._lock.close()

    def begin(self) -> "Batch":
        """For an association."""
        with self._changing:
            self._last += 1
            return Batch(self, self._folder / f"{INCOMING}{self._last:09}")

    def ready(self) -> list[Path]:
        """The files to work on, the oldest first."""
        folders = sorted(self._folder.glob(f"{READY}*"), key=_number)
        return [path for folder in folders for path in sorted(folder.glob(FILES))]

    def remove(self, path: Path) -> None:
        """A file is done; so is its folder with its last one."""
        size = path.stat().st_size
        path.unlink()
        if not any(path.parent.glob(FILES)):
            shutil.rmtree(path.parent)
        with self._changing:
            self._bytes -= size

    def take_room(self, size: int) -> None:
        """Raises: SpoolFull."""
        status = os.statvfs(self._folder)
        with self._changing:
            if self._bytes + size > self._most_bytes:
                raise SpoolFull(f"{self._bytes} bytes of {self._most_bytes} are taken")
            if status.f_bavail * status.f_frsize < size + self._keep_free_bytes:
                raise SpoolFull(f"less than {self._keep_free_bytes} bytes of the disk are free")
            self._bytes += size

    def give_room(self, size: int) -> None:
        """What was taken is not needed."""
        with self._changing:
            self._bytes -= size


class Batch:
    """What comes in by one association.

    Args:
        spool: it is in.
        folder: of its files; made with the first.
    """

    def __init__(self, spool: Spool, folder: Path) -> None:
        self._spool, self._folder = spool, folder
        self._writing = threading.Lock()
        self._count = 0

    def add(self, file: bytes) -> None:
        """Keep a file; it survives a loss of power when this returns.

        Raises:
            SpoolFull, OSError: it is not kept.
        """
        with self._writing:
            self._spool.take_room(len(file))
            try:
                if not self._count:
                    self._folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)  # one that a full disk left empty
                    sync(self._folder)
                path = self._folder / f"{self._count + 1:06}.dcm"
                write_whole(path, file, durable=True, mode=PRIVATE_FILE)
            except BaseException:
                self._spool.give_room(len(file))
                raise
            self._count += 1

    def seal(self) -> None:
        """The association has ended, however: what it brought is to be worked on."""
        with self._writing:
            if self._folder.exists():
                self._folder.rename(self._folder.parent / self._folder.name.replace(INCOMING, READY))
                self._spool.sealed.set()


def _locked(path: Path) -> IO[str]:
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise UsageError(f"Another process uses the spool {path.parent}: name another folder.") from error
    return file


def _number(path: Path) -> int:
    return int(path.name.partition("-")[2])
