"""How a server is asked and loaded: pictures over HTTP, tensors over gRPC, or no server at all."""

import asyncio
import itertools
import json
import os
import time
from typing import Protocol, Self

import numpy as np

from loadtest.compare.client_processes import AskingOverHttp, AskingTriton, ClientProcesses
from loadtest.compare.grpc_load import TritonCalls, serialise
from loadtest.compare.http_load import Target, closed_loop, connect
from loadtest.compare.photographs import Uploads
from loadtest.compare.served import Served
from loadtest.compare.window import Window


class Running(Protocol):
    """A server that is up.

    Attributes:
        pid: The process at the top of its family; None for the measuring process itself.
        metrics_url: Triton's metrics, "" without Triton.
        clients: Processes that ask; None: this one asks.
    """

    pid: int | None
    metrics_url: str
    clients: ClientProcesses | None

    async def answers(self, count: int) -> list[dict[str, float]]:
        """Ask about the first pictures, one after the other: probabilities by class name.

        Raises:
            ValueError: An answer is no prediction.
        """

    async def load(self, connections: int, window: Window) -> None:
        """Keep that many requests under way until the window closes."""


class OverHttp:
    """Pictures as multipart/form-data, from this process, or from several; a context manager."""

    def __init__(self, pid: int, target: Target, served: Served, metrics_url: str = "", clients: int = 0) -> None:
        self.pid: int | None = pid
        self.metrics_url = metrics_url
        self._target, self._served = target, served
        self._uploads = Uploads(served.pictures, distinct=served.distinct)
        asking = AskingOverHttp(target, served.pictures, served.distinct)
        self.clients = ClientProcesses(asking, clients) if clients else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        if self.clients is not None:
            self.clients.__exit__(*details)

    async def answers(self, count: int) -> list[dict[str, float]]:
        """See `Running`."""
        uploads = Uploads(self._served.pictures)
        return [await self._answer(uploads) for _ in range(count)]

    async def load(self, connections: int, window: Window) -> None:
        """See `Running`."""
        if self.clients is None:
            await closed_loop(self._target, self._uploads, connections, window)
        else:
            await self.clients.closed_loop(connections, window)

    async def _answer(self, uploads: Uploads) -> dict[str, float]:
        connection = await connect(self._target)
        try:
            return _probabilities(*await connection.ask(self._target.request(*uploads.take())))
        finally:
            connection.close()


class OverGrpc:
    """Preprocessed pictures straight to Triton, asked from this process, or from several; a context manager."""

    def __init__(self, pid: int, grpc_url: str, served: Served, metrics_url: str, clients: int = 0) -> None:
        self.pid: int | None = pid
        self.metrics_url = metrics_url
        self._served = served
        self._calls = TritonCalls(grpc_url)
        self._requests = [serialise(served.model, pixels, served.input_name) for pixels in served.pixels]
        self.clients = ClientProcesses(AskingTriton(grpc_url, self._requests), clients) if clients else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        if self.clients is not None:
            self.clients.__exit__(*details)

    async def answers(self, count: int) -> list[dict[str, float]]:
        """See `Running`."""
        rows = [await self._calls.probabilities(request) for request in self._requests[:count]]
        return [dict(zip(self._served.labels, row, strict=True)) for row in rows]

    async def load(self, connections: int, window: Window) -> None:
        """See `Running`."""
        if self.clients is None:
            await self._calls.closed_loop(self._requests, connections, window)
        else:
            await self.clients.closed_loop(connections, window)


class Bare:
    """ONNX Runtime in this process, one picture after the other with all cores, whatever the number of connections."""

    pid: int | None = None
    metrics_url = ""
    clients: ClientProcesses | None = None

    def __init__(self, served: Served) -> None:
        self._served = served
        self._session = served.session(threads=len(os.sched_getaffinity(0)))

    async def answers(self, count: int) -> list[dict[str, float]]:
        """See `Running`."""
        return [dict(zip(self._served.labels, row, strict=True)) for row in self._served.expected(count)]

    async def load(self, connections: int, window: Window) -> None:
        """See `Running`."""
        del connections
        await asyncio.to_thread(self._run, window)

    def _run(self, window: Window) -> None:
        for pixels in itertools.cycle(self._served.pixels):
            if not window.running():
                return
            sent = time.perf_counter()
            self._session.run(None, {"image": pixels[np.newaxis]})
            window.record(sent)


def _probabilities(wrong: str, body: bytes) -> dict[str, float]:
    """Those of an answer: a document, or a list of one.

    Raises:
        ValueError: It has none.
    """
    if wrong:
        raise ValueError(f"{wrong}: {body[:500]!r}")
    document = json.loads(body)
    try:
        return dict((document[0] if isinstance(document, list) else document)["probabilities"])
    except (LookupError, TypeError) as error:
        raise ValueError(f"no probabilities: {body[:500]!r}") from error
