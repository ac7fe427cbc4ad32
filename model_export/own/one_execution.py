"""One execution in the real Triton, of a model that is not in the repository yet."""

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model_export.own.bounded.bounded_child import run_module
from model_export.own.bounded.work_folder import work_folder
from model_export.own.own_errors import NO_ROOM, OwnModelError, disk_is_full
from oncoserve.errors import PlatformError
from oncoserve.inference.triton import TritonBackend
from oncoserve.prediction.catalogue import Catalogue

TIME_S: Final = 300
ASK_S: Final = 60
PREFIX: Final = "ONCO_TRITON_"
NOISE: Final = re.compile(
    r"""^E\d{4}\ \S+\ \d+\ \S+\]\ "?  # severity, time, thread and place in Triton's code
    |^\[libprotobuf\ ERROR\ \S+\]\ |\[ONNXRuntimeError\]\ :\ \d+\ :\ \w+\ :\ |TritonModelException:\ |\\n.*$|"$""",
    re.VERBOSE,
)
SAID_TWICE: Final = ("Failed to create instance", "error: creating server", "loads and warms up", "Triton ended with")
MOST_WORDS: Final = 500


def execute(repository: Path, model: str, image: NDArray[np.uint8] | None, work: Path) -> dict[str, NDArray[Any]]:
    """Start a Triton of its own on free ports of this machine, ask it once, end it.

    Args:
        repository: Has the model's folder, and no other.
        model: Its name.
        image: (1, H, W, 3) uint8 RGB; None for one of noise.
        work: A folder for Triton's files.

    Returns:
        Its outputs by name, each a batch of one.

    Raises:
        OwnModelError: Triton cannot serve it.
    """
    if image is not None:
        np.save(work / "ask.npy", image)
    beside_triton(repository, work, ["model_export.own.one_execution", str(repository), model, str(work)], TIME_S)
    with np.load(work / "answer.npz") as answer:
        return dict(answer)


@contextmanager
def alone(repository: Path, model: str) -> Iterator[tuple[Path, Path]]:
    """A repository with that model alone, and a folder for files, for the length of the block."""
    with work_folder(repository, "checking") as work:
        try:
            shutil.copytree(repository / model, work / "repository" / model)
        except shutil.Error as error:  # of several files; the first is enough
            raise OwnModelError(f"{model} cannot be copied to be looked at: {error.args[0][0][2]}"[:400]) from error
        yield work / "repository", work


def beside_triton(repository: Path, work: Path, module: Sequence[str], time_s: float) -> None:
    """Run one of this project's modules beside a Triton of its own, on free ports of this machine.

    Args:
        repository: Has the model's folder, and no other.
        work: A folder for Triton's files.
        module: Its name, and its arguments after Triton's address.
        time_s: That all of it may take, seconds.

    Raises:
        OwnModelError: It failed, or Triton cannot serve the model.
    """
    ports = _free_ports(3)
    settings = {
        "MODEL_REPOSITORY": repository,
        "WORK_DIRECTORY": work / "triton",
        "STARTUP_TIMEOUT_S": TIME_S - ASK_S,
        **dict(zip(("GRPC_PORT", "METRICS_PORT", "STATUS_PORT"), ports, strict=True)),
    }
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environ |= {PREFIX + name: str(value) for name, value in settings.items()}
    ask = [sys.executable, "-m", module[0], f"127.0.0.1:{ports[0]}", *module[1:]]
    try:
        # SIGTERM: the launcher ends Triton, and Triton what it has started.
        code, said = run_module("inference_server", ["--", *ask], time_s, environ=environ, death_signal=signal.SIGTERM)
    except TimeoutError:
        raise OwnModelError(f"Triton did not answer with the model within {time_s:g} s, and was ended") from None
    if code and NO_ROOM in said:
        raise OwnModelError(disk_is_full(work.parent))
    if code:
        raise OwnModelError(why(said, repository) or f"Triton ended with {code} before it could serve the model")


def why(said: str, repository: Path) -> str:
    """Why there was no answer, of all that the launcher said: our own module's words, or else the end of Triton's."""
    lines = said.replace(f"{repository}/", "").strip().splitlines()
    ready = next((number for number, line in enumerate(lines, 1) if " is ready: " in line), None)
    if ready is not None:
        return " ".join(lines[ready:])[:MOST_WORDS]
    told = [NOISE.sub("", line).strip().rstrip(".") for line in lines if not any(each in line for each in SAID_TWICE)]
    return f"Triton cannot serve the model: {'; '.join(told[-2:])[:MOST_WORDS]}" if told else ""


def _free_ports(count: int) -> list[int]:
    with ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


async def _ask(address: str, repository: Path, model: str, work: Path) -> None:
    server = TritonBackend(address)
    try:
        catalogue = Catalogue(server, repository)
        async with catalogue.watch(TIME_S):  # what it says, the service would say
            if problem := catalogue.snapshot.problems.get(model):
                raise OwnModelError(f"The service would not take the model: {problem}")
        version = next(each.versions[-1] for each in await server.models() if each.name == model)
        configuration = await server.configuration(model, version)
        spec = configuration.inputs[0]
        noise = np.random.default_rng(0).integers(0, 256, (1, *spec.dims)).astype(spec.dtype)
        image = np.load(work / "ask.npy") if (work / "ask.npy").is_file() else noise
        outputs = [each.name for each in configuration.outputs]
        answer = await server.infer(model, version, {spec.name: image}, outputs, timeout_s=ASK_S)
    finally:
        await server.close()
    np.savez(work / "answer.npz", allow_pickle=False, **answer)


if __name__ == "__main__":
    try:
        asyncio.run(_ask(sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4])))
    except (OwnModelError, PlatformError) as error:
        sys.exit(str(error))
