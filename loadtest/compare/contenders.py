"""Who is compared, and how each server is started."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from loadtest.compare.drivers import Bare, OverGrpc, OverHttp, Running
from loadtest.compare.environments import LOCKS, environment
from loadtest.compare.http_load import Target
from loadtest.compare.peer_server import Peer
from loadtest.compare.served import Served
from testbed.servers import PROJECT, TritonServer, WholeService, free_port

# No server may talk to anybody but the client: usage statistics are off.
QUIET: Final = MappingProxyType({"BENTOML_DO_NOT_TRACK": "True", "DO_NOT_TRACK": "1", "ORT_DISABLE_TELEMETRY": "1"})


@dataclass(frozen=True)
class Contender:
    """Something to measure.

    Attributes:
        name: Short, for tables and files.
        served: What it serves.
        start: Starts it for the length of a block; the folder gets its logs.
        connections: Its own points, in place of the plan's.
    """

    name: str
    served: Served
    start: Callable[[Path], AbstractContextManager[Running]] = field(repr=False)
    connections: Sequence[int] = ()


def ours(
    served: Served, settings: Mapping[str, str], name: str = "ours", checkout: Path = PROJECT, clients: int = 0
) -> Contender:
    """This service: the launcher, the embedded Triton and the frontend, as `make run` starts them.

    Args:
        served: What it serves.
        settings: More ONCO_* variables.
        name: For several of them with other settings.
        checkout: The folder whose code is run.
        clients: Processes that ask; 0: this one.
    """

    @contextmanager
    def start(folder: Path) -> Iterator[Running]:
        server = WholeService(served.repository, folder)
        server.cwd = checkout
        server.env |= settings
        with server:
            target = Target(server.port, f"/v1/models/{served.model}/predict")
            with OverHttp(server.pid, target, served, _metrics_url(server), clients) as running:
                yield running

    return Contender(name, served, start)


def triton_grpc(
    served: Served, name: str = "triton_grpc", clients: int = 0, settings: Mapping[str, str] = MappingProxyType({})
) -> Contender:
    """The embedded Triton without the frontend; preprocessing is the client's, done beforehand.

    Args:
        served: What it serves.
        name: For several of them.
        clients: Processes that ask; 0: this one.
        settings: More ONCO_* variables.
    """

    @contextmanager
    def start(folder: Path) -> Iterator[Running]:
        server = TritonServer(served.repository, folder)
        server.env |= settings
        with (
            server,
            OverGrpc(server.pid, server.grpc_url, served, _metrics_url(server), clients) as running,
        ):
            yield running

    return Contender(name, served, start)


def onnxruntime_alone(served: Served, name: str) -> Contender:
    """No server: the same graph in this process."""

    @contextmanager
    def start(folder: Path) -> Iterator[Running]:
        del folder
        yield Bare(served)

    return Contender(name, served, start)


def plain_fastapi(served: Served, workers: int) -> Contender:
    """FastAPI and ONNX Runtime in one process or several."""
    app = "loadtest.compare.peers.plain_fastapi:app"

    def command(port: int) -> list[str]:
        options = ["--workers", str(workers), "--no-access-log", "--log-level", "warning"]
        return [sys.executable, "-m", "uvicorn", app, "--app-dir", str(PROJECT), "--port", str(port), *options]

    return _peer(f"plain_fastapi_{workers}", served, command, "/health")


def litserve(served: Served) -> Contender:
    """LitServe, see peers/litserve_server.py."""

    def command(port: int) -> list[str]:
        return [str(environment("litserve") / "python"), str(LOCKS / "litserve_server.py"), str(port)]

    return _peer("litserve", served, command, "/health")


def bentoml(served: Served) -> Contender:
    """BentoML, see peers/bento_service.py."""

    def command(port: int) -> list[str]:
        service = ["bento_service:Classifier", "--working-dir", str(LOCKS)]
        return [str(environment("bentoml") / "bentoml"), "serve", *service, "--host", "127.0.0.1", "--port", str(port)]

    return _peer("bentoml", served, command, "/readyz", form_field="images")


def _peer(
    name: str, served: Served, command: Callable[[int], list[str]], ready_path: str, form_field: str = "image"
) -> Contender:
    @contextmanager
    def start(folder: Path) -> Iterator[Running]:
        port = free_port()
        env = {
            **QUIET,
            "PEER_MODEL": str(served.graph),
            "PEER_LABELS": ",".join(served.labels),
            "BENTOML_HOME": str(folder),
        }
        with Peer(command(port), f"http://127.0.0.1:{port}{ready_path}", env, folder) as server:
            yield OverHttp(server.pid, Target(port, "/predict", form_field), served)

    return Contender(name, served, start)


def _metrics_url(triton: TritonServer) -> str:
    return f"http://127.0.0.1:{triton.metrics_port}/metrics"
