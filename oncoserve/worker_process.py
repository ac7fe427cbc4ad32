"""The process of a worker for jobs, until a signal asks it to stop."""

import asyncio
import contextlib
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
from supervision.heartbeat import Heartbeat
from supervision.stop_signals import stop_requested

ALIVE = "worker.alive"  # touched every ALIVE_S in the folder of the processes, for a health check
ALIVE_S = 2.0


def run(settings: Settings, show: Show) -> None:
    """Work until a signal comes.

    Args:
        settings: limits and addresses.
        show: makes of a stored result's document what callers get.
    """
    logs.configure(settings.log_level)
    memory.return_large_buffers()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings, show))


async def _run(settings: Settings, show: Show) -> None:
    stop = stop_requested()
    adapters = open_adapters(settings, show)
    async with _signs_of_life():
        await work(settings, adapters, stop)


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
        core = worker_core(settings, adapters.clock, backend, folder_from_environment())
        await stack.enter_async_context(core.running())
        await open_worker(core, adapters).run(stop)


@contextlib.asynccontextmanager
async def _signs_of_life() -> AsyncIterator[None]:
    """For the parent, and for a health check of the container."""
    heartbeat, folder = Heartbeat.from_environment(), folder_from_environment()
    async with contextlib.AsyncExitStack() as stack:
        if heartbeat is not None:
            await stack.enter_async_context(heartbeat.beating())
        if folder is not None:
            living = asyncio.create_task(_keep_touching(folder / ALIVE))
            stack.callback(living.cancel)
        yield


async def _keep_touching(path: Path) -> None:
    while True:
        with contextlib.suppress(OSError):
            path.write_text(f"{time.time()}\n")  # noqa: ASYNC240 - in memory
        await asyncio.sleep(ALIVE_S)
