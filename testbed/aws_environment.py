"""The emulator's and cfn-lint's own environment, made when it is first needed."""

from pathlib import Path
from typing import Final

from testbed.locked_environment import make_environment
from testbed.servers import PROJECT

LOCK: Final = Path(__file__).with_name("aws_emulator.lock")
FOLDER: Final = PROJECT / "build/aws"


def environment() -> Path:
    """The environment's bin folder.

    Raises:
        subprocess.CalledProcessError: The packages cannot be installed.
    """
    return make_environment(FOLDER, LOCK)
