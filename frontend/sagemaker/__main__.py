"""`python -m frontend.sagemaker serve`: what SageMaker starts in the container; it becomes the launcher of it all."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NoReturn

from supervision.stop_signals import block_stop_signals

PORT: Final = 8080
OWN_MODELS: Final = Path("/opt/ml/model")
"""Where SageMaker unpacks the model's archive, when the endpoint has one."""
WORK: Final = Path("/tmp/oncoserve")  # noqa: S108 - the container's own
CARD: Final = "card.json"
USAGE: Final = 2


class NoModels(Exception):
    """What lies in the folder of models cannot be served; says what, and what belongs there."""


def repository(own: Path, built_in: Path) -> Path:
    """The folder of the models to serve: those that the endpoint brings, or those of the image.

    Args:
        own: Where the endpoint's would be.
        built_in: The image's.

    Raises:
        NoModels: There is something, and it is no model repository.
    """
    folders = sorted(path for path in own.iterdir() if not path.name.startswith(".")) if own.is_dir() else []
    if not folders:
        return built_in
    for path in folders:
        if not path.is_dir():
            raise NoModels(f"{path} is a file; {own} holds a folder for each model, as model_repository/ does")
        if not (path / CARD).is_file():
            raise NoModels(f"{path} has no {CARD}; a model is a folder with {CARD}, config.pbtxt and a folder 1/")
        if not any(version.name.isdecimal() and version.is_dir() for version in path.iterdir()):
            raise NoModels(f"{path} has no version: a folder named by a number, such as 1/, with the graph")
    return own


def environment(models: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of Triton and of the frontend in this container; what is set already stays."""
    ours = {
        "ONCO_ALLOW_ANONYMOUS": "true",  # SageMaker has asked who it is, and nobody else reaches the port
        "ONCO_HOST": "0.0.0.0",  # noqa: S104 - of the container
        "ONCO_JOB_WORKERS": "0",
        "ONCO_MODEL_REPOSITORY": str(models),
        "ONCO_PORT": str(PORT),
        "ONCO_RESULTS_DIR": str(WORK / "results"),
        "ONCO_RESULTS_TTL_S": "3600",
        "ONCO_SAGEMAKER": "true",
        "ONCO_TRITON_LOG_FILE": "/dev/stderr",
        "ONCO_TRITON_LOG_LEVEL": "warning",
        "ONCO_TRITON_MODEL_REPOSITORY": str(models),
        "ONCO_TRITON_WORK_DIRECTORY": str(WORK / "triton"),
    }
    return {**ours, **environ}


def main(arguments: list[str]) -> int:
    """Become the launcher.

    Returns:
        The exit code where that cannot be.
    """
    if arguments != ["serve"]:
        print(f"oncoserve: this container is started with `serve`, not with {' '.join(arguments) or 'nothing'!r}")
        return USAGE
    built_in = Path(os.environ.get("ONCO_MODEL_REPOSITORY", "model_repository")).absolute()
    try:
        models = repository(OWN_MODELS, built_in)
    except NoModels as error:
        print(f"oncoserve: {error}", file=sys.stderr)
        return USAGE
    shutil.rmtree(WORK, ignore_errors=True)  # of a container that was started again
    WORK.mkdir(parents=True)
    return _become_launcher(environment(models, os.environ))


def _become_launcher(environ: dict[str, str]) -> NoReturn:
    sys.stdout.flush()
    block_stop_signals()  # one that comes while the launcher is being loaded waits for it
    command = [sys.executable, "-m", "inference_server", "--", sys.executable, "-m", "frontend"]
    os.execve(sys.executable, command, environ)  # noqa: S606 - our own launcher


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
