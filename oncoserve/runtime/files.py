"""The one way to write a file: aside, then renamed, so that no reader ever meets half of it."""

import os
import secrets
from pathlib import Path


def write_whole(
    path: Path, content: bytes, *, durable: bool = False, times_ns: tuple[int, int] | None = None, mode: int = 0o666
) -> None:
    """Write a file that gets its name when it is whole, whenever the process is killed; its folder is made if missing.

    Args:
        path: the file; one of that name is replaced.
        content: all of it.
        durable: whether content and name survive a loss of power when this returns; costs two waits for the disk.
        times_ns: access and modification time for it, in nanoseconds; left out, now.
        mode: permissions, less the process's umask.

    Raises:
        OSError: the folder cannot be written, or the disk is full; nothing is left behind.
    """
    aside = f"{path.parent}/.{secrets.token_hex(8)}"
    try:
        _write_new(aside, content, durable=durable, mode=mode)
        if times_ns is not None:
            os.utime(aside, ns=times_ns)
        os.replace(aside, path)  # noqa: PTH105 - for a small result pathlib takes longer than the disk
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    if durable:
        _sync(path.parent)


def sync(path: Path) -> None:
    """Let a file that is there survive a loss of power, its content and its name; waits for the disk.

    Raises:
        OSError: it is not there, or the disk refuses.
    """
    _sync(path)
    _sync(path.parent)


def _write_new(path: str, content: bytes, *, durable: bool, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        file = os.open(path, flags, mode)
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, flags, mode)
    try:
        written = os.write(file, content)
        while written < len(content):  # a full disk takes a part first, and refuses the rest
            written += os.write(file, memoryview(content)[written:])
        if durable:
            os.fsync(file)
    finally:
        os.close(file)


def _sync(path: Path) -> None:
    """Let a file's content, or the names in a folder, survive a loss of power."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
