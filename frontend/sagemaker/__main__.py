"""`python -m frontend.sagemaker serve`: what SageMaker starts in the container; it makes way for the launcher."""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from supervision.first_process import run_as_first
from supervision.stop_signals import block_stop_signals

PORT: Final = 8080
PORT_VARIABLE, PORTS_VARIABLE = "SAGEMAKER_BIND_TO_PORT", "SAGEMAKER_SAFE_PORT_RANGE"
"""How SageMaker tells each of several containers, which share one network, the ports that are its own."""
TRITON_PORTS: Final = ("ONCO_TRITON_GRPC_PORT", "ONCO_TRITON_METRICS_PORT", "ONCO_TRITON_STATUS_PORT")
OWN_MODELS: Final = Path("/opt/ml/model")
"""Where SageMaker unpacks the model's archive, when the endpoint has one."""
WORK: Final = Path("/tmp/oncoserve")  # noqa: S108 - the container's own
CARD: Final = "card.json"
USAGE: Final = 2
FIRST: Final = 1  # the id of a container's first process, where no init was asked for, as with SageMaker


class CannotServe(Exception):
    """What SageMaker gave to this container is not what it needs; says what, and what belongs there."""


def repository(own: Path, built_in: Path) -> Path:
    """The folder of the models to serve: those that the endpoint brings, or those of the image.

    Args:
        own: Where the endpoint's would be.
        built_in: The image's.

    Raises:
        CannotServe: There is something, and it is no model repository.
    """
    try:
        if not own.is_dir():
            return built_in
        folders = sorted(path for path in own.iterdir() if not path.name.startswith("."))
        for path in folders:
            _check(path)
    except OSError as error:
        raise CannotServe(f"{error.filename} cannot be read by user {os.getuid()}: {error.strerror}") from error
    return own if folders else built_in


def _check(path: Path) -> None:
    """Refuse what is not a model's folder; what may not be read raises OSError."""
    if not path.is_dir():
        raise CannotServe(f"{path} is a file; {path.parent} holds a folder for each model, as model_repository/ does")
    if not (path / CARD).is_file():
        raise CannotServe(f"{path} has no {CARD}; a model is a folder with {CARD}, config.pbtxt and a folder 1/")
    if not any(version.name.isdecimal() and version.is_dir() for version in path.iterdir()):
        raise CannotServe(f"{path} has no version: a folder named by a number, such as 1/, with the graph")


def environment(models: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of Triton and of the frontend in this container; what is set already stays.

    Raises:
        CannotServe: The range of ports is none.
    """
    ours = {
        **_ports(environ),
        "ONCO_ALLOW_ANONYMOUS": "true",  # SageMaker has asked who it is, and nobody else reaches the port
        "ONCO_HOST": "0.0.0.0",  # noqa: S104 - of the container
        "ONCO_JOB_WORKERS": "0",
        "ONCO_MODEL_REPOSITORY": str(models),
        "ONCO_RESULTS_DIR": str(WORK / "results"),
        # Nobody asks for a result a second time, and the disk of an instance may be 30 GB.
        "ONCO_RESULTS_MAX_BYTES": str(8 * 2**30),
        "ONCO_RESULTS_TTL_S": "600",
        "ONCO_SAGEMAKER": "true",
        # SageMaker waits 30 seconds between SIGTERM and SIGKILL. The frontend needs three beyond its grace, which the
        # launcher lets it have, and Triton, which then has nothing to do, goes last.
        "ONCO_SHUTDOWN_GRACE_S": "20",
        "ONCO_TRITON_STOP_GRACE_S": "25",
        "ONCO_TRITON_LOG_FILE": "/dev/stderr",
        "ONCO_TRITON_LOG_LEVEL": "warning",
        "ONCO_TRITON_MODEL_REPOSITORY": str(models),
        "ONCO_TRITON_WORK_DIRECTORY": str(WORK / "triton"),
    }
    return {**ours, **environ}


def _ports(environ: Mapping[str, str]) -> dict[str, str]:
    """Those of the frontend and of Triton, where SageMaker says which."""
    own = environ.get(PORT_VARIABLE) or str(PORT)
    if not (given := environ.get(PORTS_VARIABLE)):
        return {"ONCO_PORT": own}
    found = re.fullmatch(r"(\d{1,5})-(\d{1,5})", given)
    free = [] if found is None else [port for port in range(int(found[1]), int(found[2]) + 1) if str(port) != own]
    if len(free) < len(TRITON_PORTS):
        raise CannotServe(f"{PORTS_VARIABLE} is {given[:40]!r}; Triton needs {len(TRITON_PORTS)} ports of such a range")
    return {"ONCO_PORT": own} | {name: str(port) for name, port in zip(TRITON_PORTS, free, strict=False)}


def main(arguments: list[str]) -> int:
    """Become the launcher, or start it where this is the container's first process.

    Returns:
        The exit code: the launcher's, or of what keeps it from being started.
    """
    if arguments != ["serve"]:
        print(f"oncoserve: this container is started with `serve`, not with {' '.join(arguments) or 'nothing'!r}")
        return USAGE
    built_in = Path(os.environ.get("ONCO_MODEL_REPOSITORY", "model_repository")).absolute()
    try:
        models = repository(OWN_MODELS, built_in)
        _check_names(models, os.environ.get("ONCO_JOB_MODELS", ""))
        settings = environment(models, os.environ)
        clear(WORK)
    except CannotServe as error:
        print(f"oncoserve: {error}", file=sys.stderr)
        return USAGE
    return _launch(settings)


def _check_names(models: Path, wanted: str) -> None:
    """Refuse models that are not there: /ping would never be 200, and nobody would say why."""
    if missing := [name for name in wanted.split(",") if name and not (models / name).is_dir()]:
        there = ", ".join(sorted(path.name for path in models.iterdir() if (path / CARD).is_file()))
        raise CannotServe(f"ONCO_JOB_MODELS names {', '.join(missing)}; {models} has: {there or 'none'}")


def clear(folder: Path) -> None:
    """Make it anew: what is in it is of a container that was started again.

    Raises:
        CannotServe: It cannot be made.
    """
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        raise CannotServe(f"user {os.getuid()} cannot make {folder} anew: {error.strerror}") from error


def _launch(environ: dict[str, str]) -> int:
    sys.stdout.flush()
    command = [sys.executable, "-m", "inference_server", "--", sys.executable, "-m", "frontend"]
    if os.getpid() != FIRST:
        block_stop_signals()  # one that comes while the launcher is being loaded waits for it
        os.execve(sys.executable, command, environ)  # noqa: S606 - our own launcher
    return run_as_first(command, environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
