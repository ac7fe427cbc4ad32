"""ONNX Runtime without a server, in batches of a fixed size: the limit of whatever serves the same graph."""

import asyncio
import itertools
import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from inference_server.backends.onnxruntime.cuda_libraries import CUDA
from loadtest.batching.client_processes import ClientProcesses
from loadtest.compare.contenders import Contender, Running
from loadtest.compare.served import Served, class_means
from loadtest.compare.window import Window
from loadtest.gpu_options.executions import load_libraries

_WARM_UP_RUNS: Final = 3


@dataclass(frozen=True)
class Graph:
    """A graph and what executes it; can be sent to another process.

    Attributes:
        path: The file.
        options: Of the CUDA provider; None: the CPU.
        pixels: Pictures, each (side, side, 3) uint8 RGB.
    """

    path: Path
    options: Mapping[str, str] | None
    pixels: Sequence[NDArray[np.uint8]] = field(repr=False)

    def session(self) -> onnxruntime.InferenceSession:
        """Open it.

        Raises:
            RuntimeError: CUDA does not load.
        """
        options = onnxruntime.SessionOptions()
        if self.options is None:
            options.intra_op_num_threads = len(os.sched_getaffinity(0))
            return onnxruntime.InferenceSession(self.path, options, ["CPUExecutionProvider"])
        load_libraries()
        session = onnxruntime.InferenceSession(self.path, options, [(CUDA, dict(self.options))], enable_fallback=0)
        if session.get_providers()[0] != CUDA:
            raise RuntimeError(f"CUDA does not load, ONNX Runtime would compute on {session.get_providers()}")
        return session

    def run(self, session: onnxruntime.InferenceSession, batch: NDArray[np.uint8]) -> list[Any]:
        """All outputs, in the CPU's memory."""
        return list(session.run(None, {session.get_inputs()[0].name: batch}))

    def answers(self, count: int) -> list[list[float]]:
        """One number a class for each of the first pictures."""
        session = self.session()
        place = [output.name for output in session.get_outputs()].index("probabilities")
        return [class_means(self.run(session, each[np.newaxis])[place][0]) for each in self.pixels[:count]]


class AskingNobody:
    """Executes a graph again and again; "connections" are the images of a batch.

    Args:
        graph: Which.
        labels: Class names in the order of the output.
        sizes: Batch sizes. Each has a session of its own, as in the backend: one that sees another size plans anew.
    """

    def __init__(self, graph: Graph, labels: Sequence[str], sizes: Sequence[int]) -> None:
        self._graph, self._labels, self._sizes = graph, labels, sizes
        self._batches: dict[int, list[NDArray[np.uint8]]] = {}
        self._sessions: dict[int, onnxruntime.InferenceSession] = {}
        self._failed: dict[int, str] = {}

    async def answers(self, count: int) -> list[dict[str, float]]:
        """See `Asking`; in a process that gives the GPU's memory back."""
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            try:
                rows = await asyncio.wrap_future(pool.submit(self._graph.answers, count))
            except Exception as error:  # ONNX Runtime's share no base
                raise ValueError(str(error)) from error
        return [dict(zip(self._labels, row, strict=True)) for row in rows]

    async def closed_loop(self, connections: int, window: Window) -> None:
        """Execute batches of that size until the window closes; the first call opens all sessions.

        A size that does not work, for want of memory, is an error in its window.
        """
        for size in () if self._sessions or self._failed else self._sizes:
            try:
                self._prepare(size)
            except Exception as error:  # noqa: BLE001 - ONNX Runtime's share no base
                self._failed[size] = f"{type(error).__name__}: {error}"
        if connections in self._failed:
            await asyncio.sleep(window.opens + window.seconds / 2 - time.perf_counter())
            window.record(window.opens, self._failed[connections])
            return
        for batch in itertools.cycle(self._batches[connections]):
            if not window.running():
                return
            sent = time.perf_counter()
            self._graph.run(self._sessions[connections], batch)
            for _ in range(connections):
                window.record(sent)

    def _prepare(self, size: int) -> None:
        pixels = itertools.cycle(self._graph.pixels)
        self._batches[size] = [np.stack(list(itertools.islice(pixels, size))) for _ in range(2)]
        self._sessions[size] = self._graph.session()
        for _ in range(_WARM_UP_RUNS):
            self._graph.run(self._sessions[size], self._batches[size][0])


def contender(served: Served, name: str, sizes: Sequence[int], options: Mapping[str, str] | None) -> Contender:
    """ONNX Runtime alone in a process of its own.

    Args:
        served: Whose graph.
        name: For tables.
        sizes: Batch sizes, a point each.
        options: Of the CUDA provider; None: the CPU.
    """

    @contextmanager
    def start(folder: Path) -> Iterator[Running]:
        del folder
        ((kind, pixels),) = served.pixels.items()
        graph = Graph(served.graph, options, pixels)
        with ClientProcesses(AskingNobody(graph, served.labels, sizes), 1) as processes:
            yield Running(processes.pids[0], {kind: processes})

    return Contender(name, served, start, sizes)
