"""The process of a worker for jobs, until SIGTERM or Ctrl-C, or until the frontend that started it has gone."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import uvloop

from oncoserve.inference.backend import InferenceBackend
from oncoserve.jobs.ports import Adapters, Show
from oncoserve.runtime import logs, memory
from oncoserve.runtime.sharing import folder_from_environment
from oncoserve.settings import Settings
from oncoserve.wiring import open_adapters, open_worker, worker_core

ALIVE = "worker.alive"  # touched every ALIVE_S, for a health check
ALIVE_S = 2.0


def run(settings: Settings, show: Show, parent: int | None = None) -> None:
    """Work until a signal comes.

    Args:
        settings: limits and addresses.
        show: makes of a stored result's document what callers get.
        parent: number of the process that started this one; the worker ends with it. None for a worker of its own.
    """
    logs.configure(settings.log_level)
    memory.return_large_buffers()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings, show, parent))


async def _run(settings: Settings, show: Show, parent: int | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with _signs_of_life(settings.jobs_dir / ALIVE, stop, parent):
        await work(settings, open_adapters(settings, show), stop)


async def work(
    settings: Settings, adapters: Adapters, stop: asyncio.Event, backend: InferenceBackend | None = None
) -> None:
    """Work on jobs until `stop` is set, then close the adapters.

    Args:
        settings: limits and addresses.
        adapters: queue, records, pictures.
        stop: set when it is time to leave.
        backend: the inference server; Triton at `settings.inference_url` when left out.
    """
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(adapters.close)
        core = worker_core(settings, backend, folder_from_environment())
        await stack.enter_async_context(core.running())
        await open_worker(core, adapters).run(stop)


@contextlib.asynccontextmanager
async def _signs_of_life(path: Path, stop: asyncio.Event, parent: int | None) -> AsyncIterator[None]:
    async def live() -> None:
        while True:
            with contextlib.suppress(OSError):  # a folder that cannot be written is told by what needs it
                await asyncio.to_thread(_touch, path)
            if parent is not None and os.getppid() != parent:
                stop.set()
            await asyncio.sleep(ALIVE_S)

    living = asyncio.create_task(live())
    try:
        yield
    finally:
        living.cancel()


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{time.time()}\n")
