"""A folder for work beside the repository: on its disk, so that what was made there gets its place at once."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from model_export.own.own_errors import OwnModelError

PURPOSES: Final = ("adding", "checking", "removing")


@contextmanager
def work_folder(repository: Path, purpose: str) -> Iterator[Path]:
    """A folder for the length of the block. Those of processes that were killed go first.

    Args:
        repository: The folder is made beside it.
        purpose: One of `PURPOSES`; a part of its name.

    Raises:
        OwnModelError: There can be none.
    """
    place = repository.parent
    try:
        place.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        folder, lock = _make(place, f".{purpose}-")
    except OSError as error:
        raise OwnModelError(f"{place} cannot be written ({error.strerror}): name another folder with --data") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _make(place: Path, prefix: str) -> tuple[Path, int]:
    """A new folder, and the lock on it: the kernel lets go of it when this process is gone, however it went."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        lock = _locked(folder)
        if lock is not None:
            return folder, lock


def _sweep(place: Path) -> None:
    for folder in (each for purpose in PURPOSES for each in place.glob(f".{purpose}-*")):
        lock = _locked(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _locked(folder: Path) -> int | None:
    """A lock on a folder; None where somebody else has it, or took the folder away before it was locked."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), folder.stat()):
            return descriptor
    os.close(descriptor)
    return None
