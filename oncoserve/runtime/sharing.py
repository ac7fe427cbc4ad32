"""Numbers that the processes of one service add up: each writes its own and reads those of all, without a lock."""

import contextlib
import fcntl
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

FOLDER_VARIABLE = "ONCOSERVE_SHARED_DIR"
"""The environment variable through which `python -m frontend` names their common folder to its processes."""

# Files are mapped there, and what fills the folder for temporary files (large uploads) must not reach them: a page of
# a map that finds no room on the disk ends its process.
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own in it, for nobody else to read
PREFIX = "oncoserve-"

PROCESSES = 64  # as many as ONCO_WORKERS may be
NUMBER_BYTES = 8  # of a machine word, so that a number is read and written in one piece


@dataclass(frozen=True)
class SharedFolder:
    """The folder of the processes of one service.

    Attributes:
        path: where it is.
        lock: a descriptor that says that somebody uses it; processes that inherit it use it, too.
    """

    path: Path
    lock: int


@contextmanager
def shared_folder(memory: Path = MEMORY) -> Iterator[SharedFolder]:
    """A new folder in memory, removed at the end; those of services that were killed are removed first.

    Raises:
        OSError: there is no room, or no such file system.
    """
    for path in memory.glob(f"{PREFIX}*"):
        # In use, or somebody else's, or just removed by somebody else: not ours to care for.
        with contextlib.suppress(OSError), _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(path)
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=memory))
        with _locked(path, fcntl.LOCK_EX) as lock:
            if not path.exists():  # another service found it before it was locked
                continue
            try:
                yield SharedFolder(path, lock)
            finally:
                shutil.rmtree(path, ignore_errors=True)
            return


@contextmanager
def _locked(path: Path, how: int) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, how)
        yield descriptor
    finally:
        os.close(descriptor)


def map_file(path: Path, size: int) -> mmap.mmap:
    """Map a file that has room for every byte, so that no write to the map can fail; a new one is made of zeros.

    Raises:
        OSError: there is no room.
    """
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(file, 0, size)
        return mmap.mmap(file, size)
    finally:
        os.close(file)


def folder_from_environment() -> Path | None:
    """The folder that this process shares with others; None if it is alone."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return None if folder is None else Path(folder)


class Counts:
    """A few numbers under one name.

    Args:
        everybody: the numbers of all processes: those of the first field, then those of the second, and so on.
        own: the numbers of this process.
    """

    def __init__(self, everybody: "memoryview[int]", own: "memoryview[int]") -> None:
        self._everybody = everybody
        self._own = own

    def add(self, field: int, number: int) -> None:
        """Change this process's number."""
        self._own[field] += number

    def own(self, field: int) -> int:
        """This process's number."""
        return self._own[field]

    def total(self, field: int) -> int:
        """The sum over all processes."""
        return sum(self.everybody(field))

    def everybody(self, field: int) -> "memoryview[int]":
        """The number of each process; 0 in places that nobody has."""
        return self._everybody[field * PROCESSES : (field + 1) * PROCESSES]


class SharedCounts:
    """Counts by name: a file for each name, mapped into the memory of every process, with a place for each of them.

    A place is held by a lock on a file, which the kernel releases however the process ends; the next process to take
    the place clears it.

    Args:
        folder: of the processes that share; None for a process that is alone.
        fields: numbers under each name.
        publish: whether others see what this process counts. One that only watches is in no sum.
    """

    def __init__(self, folder: Path | None, fields: int, *, publish: bool = True) -> None:
        self._folder = folder
        self._fields = fields
        self._publish = publish
        self._place = 0
        if folder is not None and publish:
            self._place = _take_place(folder)
            for path in folder.glob("*.counts"):
                _clear(_mapped(path, fields)[self._place :: PROCESSES])

    @property
    def shared(self) -> bool:
        """Whether there may be other processes."""
        return self._folder is not None

    def of(self, name: str) -> Counts:
        """What is counted under that name. Ask for it once and keep it."""
        if self._folder is None:
            everybody = _unshared(self._fields)
        else:
            everybody = _mapped(self._folder / f"{quote(name, safe='')}.counts", self._fields)
        mine = everybody if self._publish else _unshared(self._fields)
        return Counts(everybody, mine[self._place :: PROCESSES])


def _take_place(folder: Path) -> int:
    for place in range(PROCESSES):
        lock = os.open(folder / f"{place}.place", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return place  # the lock stays open, and so held, until the process ends
    raise RuntimeError(f"{PROCESSES} processes share {folder} already; there is no room for more")


def _mapped(path: Path, fields: int) -> "memoryview[int]":
    return memoryview(map_file(path, fields * PROCESSES * NUMBER_BYTES)).cast("q")


def _unshared(fields: int) -> "memoryview[int]":
    return memoryview(bytearray(fields * PROCESSES * NUMBER_BYTES)).cast("q")


def _clear(numbers: "memoryview[int]") -> None:
    for field in range(len(numbers)):
        numbers[field] = 0
