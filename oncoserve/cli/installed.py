"""Whether the packages of a command are there, found out before anything is fetched or started."""

import importlib.util
import sys
from collections.abc import Iterable

from oncoserve.cli.client.client_errors import UsageError

RUN = ("fastapi", "uvicorn", "tritonclient", "onnx", "onnxruntime")
EXPORT = ("numpy", "PIL", "onnx", "onnxruntime")
CLIENT = {"httpx", "tqdm"}  # what every wheel brings along


def require(command: str, modules: Iterable[str]) -> None:
    """Look for modules without importing them.

    Raises:
        UsageError: some are missing.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise missing_packages(command, missing)


def missing_packages(command: str, modules: Iterable[str]) -> UsageError:
    """The error that says what is missing and how to get it."""
    names = sorted(modules)
    wheel = "oncoserve" if CLIENT.issuperset(names) else "'oncoserve[service]'"
    return UsageError(
        f"`oncoserve {command}` needs what {sys.prefix} does not have: {', '.join(names)}. In a checkout `make run` "
        f"installs it; elsewhere `pip install {wheel}`, or the tested versions as docs/command_line.md says."
    )
