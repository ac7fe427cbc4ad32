"""Numbers that the processes of one service add up: each writes its own and reads those of all, without a lock."""

import fcntl
import mmap
import os
from pathlib import Path
from urllib.parse import quote

FOLDER_VARIABLE = "ONCOSERVE_SHARED_DIR"
"""The environment variable through which `python -m frontend` names their common folder to its processes."""

PROCESSES = 64  # as many as ONCO_WORKERS may be
NUMBER_BYTES = 8  # of a machine word, so that a number is read and written in one piece


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
        return sum(self._everybody[field * PROCESSES : (field + 1) * PROCESSES])


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
    size = fields * PROCESSES * NUMBER_BYTES
    with path.open("ab") as file:
        file.truncate(size)  # zeros, where it is new
    with path.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), size)).cast("q")


def _unshared(fields: int) -> "memoryview[int]":
    return memoryview(bytearray(fields * PROCESSES * NUMBER_BYTES)).cast("q")


def _clear(numbers: "memoryview[int]") -> None:
    for field in range(len(numbers)):
        numbers[field] = 0
