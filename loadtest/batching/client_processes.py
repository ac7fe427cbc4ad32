"""Processes that share the asking, so that a server is not measured by the speed of one Python process."""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

import uvloop

from loadtest.compare.contenders import Asking, Contender, Running
from loadtest.compare.window import Window

_STOP_S = 10.0


def asked_by(contender: Contender, count: int) -> Contender:
    """The same, asked by so many processes in place of this one; about one kind of picture."""

    @contextmanager
    def start(folder: Path) -> Iterator[Running]:
        with contender.start(folder) as running:
            ((kind, asking),) = running.asking.items()
            with ClientProcesses(asking, count) as processes:
                yield replace(running, asking={kind: processes}, clients_busy=lambda: processes.busy)

    return replace(contender, start=start)


class ClientProcesses:
    """Processes that ask the same, and are there as soon as this is made; a context manager, which ends them.

    Args:
        asking: What each of them does; it is sent there once.
        count: How many.

    Attributes:
        busy: The share of the last load's time in which the busiest one's event loop computed; near 1 the clients are
            the limit, and not the server. NaN before the first load.
        pids: Their process ids.

    Raises:
        EOFError: One of them ended at its start.
    """

    def __init__(self, asking: Asking, count: int) -> None:
        spawn = multiprocessing.get_context("spawn")  # gRPC and CUDA do not survive a fork
        self.busy = float("nan")
        self._asking = asking
        self._pipes, self._processes = [], []
        for _ in range(count):
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=_serve, args=(theirs, asking), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        for pipe in self._pipes:
            pipe.recv()
        self.pids = [process.pid or 0 for process in self._processes]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(_STOP_S)
            process.kill()

    async def answers(self, count: int) -> list[dict[str, float]]:
        """Asked from this process; see `Asking`."""
        return await self._asking.answers(count)

    async def closed_loop(self, connections: int, window: Window) -> None:
        """Keep `connections` requests under way, in equal shares, and put all answers into the window.

        Raises:
            EOFError: One of the processes ended.
        """
        count = len(self._pipes)
        shares = [len(range(number, connections, count)) for number in range(count)]
        asked = [(pipe, share) for pipe, share in zip(self._pipes, shares, strict=True) if share]
        for pipe, share in asked:
            pipe.send((share, window))
        answers = [await asyncio.to_thread(pipe.recv) for pipe, _ in asked]
        for found, _ in answers:
            window.add(found)
        self.busy = max(busy for _, busy in answers)


def _serve(pipe: Connection, asking: Asking) -> None:
    """Ask as often as told. A window means the same here: on Linux perf_counter() is one clock for all processes."""
    pipe.send("ready")
    while True:
        try:
            connections, window = pipe.recv()
        except EOFError:
            return
        began, computed = time.perf_counter(), time.thread_time()
        uvloop.run(asking.closed_loop(connections, window))
        pipe.send((window, (time.thread_time() - computed) / (time.perf_counter() - began)))
