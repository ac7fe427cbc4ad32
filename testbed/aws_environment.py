"""The emulator's and cfn-lint's own environment, made from a lock with hashes when it is first needed."""

import subprocess
import venv
from pathlib import Path

from testbed.servers import PROJECT

LOCK = Path(__file__).with_name("aws_emulator.lock")
FOLDER = PROJECT / "build/aws"


def environment() -> Path:
    """The environment's bin folder, made or renewed if it does not have what the lock says.

    Raises:
        subprocess.CalledProcessError: The packages cannot be installed.
    """
    done = FOLDER / "installed.lock"
    if not done.is_file() or done.read_bytes() != LOCK.read_bytes():
        venv.create(FOLDER, clear=True, with_pip=True)
        pip = [str(FOLDER / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", str(LOCK)], check=True, capture_output=True)
        done.write_bytes(LOCK.read_bytes())
    return FOLDER / "bin"
