"""The emulator's and cfn-lint's own environment, made when it is first needed."""

import sys
from pathlib import Path
from typing import Final

from deploy.aws import package
from deploy.aws.lambda_runtime import LambdaRuntime
from testbed.locked_environment import make_environment, make_packages
from testbed.servers import PROJECT

LOCK: Final = Path(__file__).with_name("aws_emulator.lock")
FOLDER: Final = PROJECT / "build/aws"


def environment() -> Path:
    """The environment's bin folder.

    Raises:
        subprocess.CalledProcessError: The packages cannot be installed.
    """
    return make_environment(FOLDER, LOCK)


def own_packages() -> Path:
    """The functions' packages for this Python, which is the one that the emulator runs them with.

    Raises:
        UnfitPackage: They cannot be had.
    """
    lock = package.requirements((PROJECT / name).read_text() for name in package.LOCKS)
    platforms = LambdaRuntime(package.DEFAULT_PYTHON, package.DEFAULT_ARCHITECTURE).platforms
    return make_packages(
        PROJECT / "build/lambda",
        f"{sys.version_info[:2]}\n{lock}",
        lambda folder: package.install(folder, sys.version_info[:2], platforms),
    )
