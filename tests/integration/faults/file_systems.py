"""File systems of their own, small enough to be filled and able to stall, for tests that may mount them."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path


class CannotMount(Exception):
    """Mounting is for root, and not in every container."""


def _run(*command: object) -> None:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotMount(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")


@contextlib.contextmanager
def small(folder: Path, size_bytes: int, inodes: int) -> Iterator[Path]:
    """A file system in memory at `folder`.

    Raises:
        CannotMount
    """
    folder.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={size_bytes},nr_inodes={inodes}", "none", folder)
    try:
        yield folder
    finally:
        _run("umount", "-l", folder)


@contextlib.contextmanager
def freezing(folder: Path, image: Path, size_bytes: int = 64 * 2**20) -> Iterator["Freezer"]:
    """A file system in a file at `folder`, which can be told to let every write wait.

    Raises:
        CannotMount
    """
    folder.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(size_bytes)
    _run("mkfs.ext4", "-q", "-F", image)
    _run("mount", "-o", "loop", image, folder)
    freezer = Freezer(folder)
    try:
        yield freezer
    finally:
        freezer.thaw()
        _run("umount", "-l", folder)


class Freezer:
    """Stalls a file system.

    Args:
        folder: Where it is mounted.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._frozen = False

    def freeze(self) -> None:
        """From now on writes wait."""
        _run("fsfreeze", "--freeze", self._folder)
        self._frozen = True

    def thaw(self) -> None:
        """Go on."""
        if self._frozen:
            self._frozen = False
            _run("fsfreeze", "--unfreeze", self._folder)
