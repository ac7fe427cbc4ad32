"""Environments of their own for programs whose packages do not fit beside this project's, each made from a lock."""

import fcntl
import shutil
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path


def make_environment(folder: Path, lock: Path) -> Path:
    """Make an environment, or renew it if it does not have what the lock says; processes that ask together take turns.

    Args:
        folder: Of the environment.
        lock: Pins with hashes, as pip reads them.

    Returns:
        The environment's bin folder.

    Raises:
        subprocess.CalledProcessError: The packages cannot be installed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        done = folder / "installed.lock"
        if not done.is_file() or done.read_bytes() != lock.read_bytes():
            venv.create(folder, clear=True, with_pip=True)
            pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            options = ["--require-hashes", "--no-deps", "-r", str(lock)]
            subprocess.run([*pip, *options], check=True, capture_output=True)  # noqa: S603 - our own lock
            done.write_bytes(lock.read_bytes())
    return folder / "bin"


def make_packages(folder: Path, lock: str, install: Callable[[Path], None]) -> Path:
    """Fill a folder with packages, or leave it as it is if it was filled from the same lock; see `make_environment`.

    Args:
        folder: Of the packages.
        lock: What it is made from.
        install: Fills it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        done = folder.with_name(f"{folder.name}.installed")
        if not done.is_file() or done.read_text() != lock:
            shutil.rmtree(folder, ignore_errors=True)
            install(folder)
            done.write_text(lock)
    return folder
