"""Who is compared, how each server is started, and how it is asked."""

import itertools
import math
import os
import time
from asyncio import to_thread
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import numpy as np

from loadtest.compare.grpc_load import OverGrpc
from loadtest.compare.http_load import OverHttp
from loadtest.compare.peer_server import PEERS, Peer
from loadtest.compare.served import Served
from loadtest.compare.window import Window
from testbed.servers import PROJECT, TritonServer, WholeService

_NONE: Mapping[str, str] = MappingProxyType({})


class Asking(Protocol):
    """Something that asks about one kind of picture; where it is to run in other processes, it can be sent there."""

    async def answers(self, count: int) -> list[dict[str, float]]:
        """Ask about the first pictures, one after the other: probabilities by class name; none of an undetermined one.

        Raises:
            ValueError: An answer is no prediction.
        """

    async def closed_loop(self, connections: int, window: Window) -> None:
        """Keep that many requests under way until the window closes; the next leaves when the last was answered."""


@dataclass(frozen=True)
class Running:
    """A server that is up.

    Attributes:
        pid: The process at the top of its family; None for the measuring process itself.
        asking: How it is asked, by the kind of picture.
        metrics_url: Triton's metrics, "" without Triton.
        clients_busy: Of the last load, where other processes ask; see `Point`.
    """

    pid: int | None
    asking: Mapping[str, Asking] = field(repr=False)
    metrics_url: str = ""
    clients_busy: Callable[[], float] = lambda: math.nan


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


def ours(served: Served, settings: Mapping[str, str], name: str = "ours", checkout: Path = PROJECT) -> Contender:
    """This service: the launcher, the embedded Triton and the frontend, as `make run` starts them from a checkout.

    The settings are more ONCO_* variables.
    """

    @contextmanager
    def start(folder: Path) -> Iterator[Running]:
        server = WholeService(served.repository, folder)
        server.cwd = checkout
        server.env |= settings
        with server:
            asking = _over_http(server.port, f"/v1/models/{served.model}/predict", served)
            yield Running(server.pid, asking, _metrics_url(server))

    return Contender(name, served, start)


def triton_grpc(served: Served, name: str = "triton_grpc", settings: Mapping[str, str] = _NONE) -> Contender:
    """The embedded Triton without the frontend; preprocessing is the client's, done beforehand."""

    @contextmanager
    def start(folder: Path) -> Iterator[Running]:
        server = TritonServer(served.repository, folder)
        server.env |= settings
        asking = {kind: OverGrpc(server.grpc_url, served, kind) for kind in served.pictures}
        with server:
            yield Running(server.pid, asking, _metrics_url(server))

    return Contender(name, served, start)


def peer(name: str, served: Served) -> Contender:
    """The server of somebody else, one of `PEERS`."""

    @contextmanager
    def start(folder: Path) -> Iterator[Running]:
        with Peer(PEERS[name], served, folder) as server:
            yield Running(server.pid, _over_http(server.port, "/predict", served))

    return Contender(name, served, start)


def onnxruntime_alone(served: Served, name: str) -> Contender:
    """No server: the same graph in this process."""

    @contextmanager
    def start(folder: Path) -> Iterator[Running]:
        del folder
        yield Running(None, {kind: _Bare(served, kind) for kind in served.pictures})

    return Contender(name, served, start)


class _Bare:
    """ONNX Runtime in this process, one picture after the other with all cores, whatever the number of connections."""

    def __init__(self, served: Served, kind: str) -> None:
        self._served, self._kind = served, kind
        self._session = served.session(threads=len(os.sched_getaffinity(0)))

    async def answers(self, count: int) -> list[dict[str, float]]:
        """See `Asking`."""
        rows = self._served.expected(self._kind, count)
        return [dict(zip(self._served.labels, row, strict=True)) for row in rows]

    async def closed_loop(self, connections: int, window: Window) -> None:
        """See `Asking`."""
        del connections
        await to_thread(self._run, window)

    def _run(self, window: Window) -> None:
        for pixels in itertools.cycle(self._served.pixels[self._kind]):
            if not window.running():
                return
            sent = time.perf_counter()
            self._session.run(None, {"image": pixels[np.newaxis]})
            window.record(sent)


def _over_http(port: int, path: str, served: Served) -> dict[str, OverHttp]:
    return {kind: OverHttp(port, path, files, served.distinct) for kind, files in served.pictures.items()}


def _metrics_url(triton: TritonServer) -> str:
    return f"http://127.0.0.1:{triton.metrics_port}/metrics"
