"""The peers' environments: one each under build/compare/, made from a lock with hashes beside the peer."""

import subprocess
import venv
from pathlib import Path

from testbed.servers import PROJECT

LOCKS = PROJECT / "loadtest/compare/peers"
ENVIRONMENTS = PROJECT / "build/compare"


def environment(peer: str) -> Path:
    """The bin folder of a peer's environment, made or renewed if it does not have what the lock says.

    Raises:
        subprocess.CalledProcessError: The packages cannot be installed.
    """
    folder, lock = ENVIRONMENTS / peer, LOCKS / f"{peer}.lock"
    done = folder / "installed.lock"
    if not done.is_file() or done.read_bytes() != lock.read_bytes():
        print(f"Installing the locked packages of {peer} into {folder} ...", flush=True)
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", str(lock)], check=True)  # noqa: S603 - our own lock
        done.write_bytes(lock.read_bytes())
    return folder / "bin"
