"""`python -m oncoserve.jobs`: a worker with the settings of the environment, until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import contextlib
import math
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import uvloop

from oncoserve.inference.backend import InferenceBackend
from oncoserve.inference.coalescing import CoalescingBackend
from oncoserve.inference.triton import TritonBackend
from oncoserve.jobs.adapters import FOLDER, Adapters, open_adapters
from oncoserve.jobs.image import Handler, Rules
from oncoserve.jobs.worker import Worker
from oncoserve.prediction.admission import Admission, Lane
from oncoserve.prediction.catalogue import Catalogue
from oncoserve.prediction.predict import Limits, Pipeline
from oncoserve.results.gallery import Gallery
from oncoserve.results.store import ResultStore
from oncoserve.runtime import logs, memory
from oncoserve.runtime.metrics import Metrics
from oncoserve.runtime.sharing import SharedCounts, folder_from_environment
from oncoserve.runtime.threads import CpuThreads
from oncoserve.runtime.tracing import Traces
from oncoserve.settings import Settings

ALIVE = "worker.alive"  # touched every ALIVE_S, for a health check
ALIVE_S = 2.0
MANY_BATCHES = 1024


async def work(
    settings: Settings, adapters: Adapters, stop: asyncio.Event, backend: InferenceBackend | None = None
) -> None:
    """Run a worker until `stop` is set, then close the adapters.

    Args:
        settings: limits and addresses.
        adapters: queue, records, pictures.
        stop: set when it is time to leave.
        backend: the inference server; Triton at `settings.inference_url` when left out.
    """
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(adapters.close)
        threads = CpuThreads(settings.cpu_threads)
        stack.callback(threads.close)
        server = CoalescingBackend(backend or TritonBackend(settings.inference_url, Traces("")))
        stack.push_async_callback(server.close)
        metrics = Metrics()
        catalogue = Catalogue(server, settings.model_repository, lambda found: metrics.ready.set(found.ready))
        # How much is under way is the worker's own decision; nothing is refused that it has taken on. Beside a frontend
        # it gives way to interactive requests.
        others = SharedCounts(folder_from_environment(), len(Lane), publish=False)
        admission = Admission(MANY_BATCHES, math.inf, others)
        limits = Limits(settings.max_image_pixels, settings.infer_timeout_s, settings.max_tiles_in_flight)
        store = ResultStore(settings.results_dir, settings.results_ttl_s)
        pipeline = Pipeline(server, store, admission, threads, limits)
        rules = Rules(
            settings.job_images_in_flight,
            settings.job_max_attempts,
            settings.job_lease_s,
            settings.shutdown_grace_s,
            settings.only_models,
        )
        gallery = Gallery(store, catalogue, threads, settings.max_image_pixels)
        handler = Handler(adapters, catalogue, pipeline, gallery, rules, metrics)
        await stack.enter_async_context(catalogue.watch(settings.poll_interval_s))
        await Worker(adapters, catalogue, handler, rules, settings.jobs_ttl_s).run(stop)


async def main(settings: Settings, parent: int | None) -> None:
    """Run a worker until a signal comes, or until the process of this number is not its parent any more."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with _signs_of_life(settings.results_dir / FOLDER / ALIVE, stop, parent):
        await work(settings, open_adapters(settings), stop)


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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m oncoserve.jobs", description="Work on jobs until SIGTERM.")
    parser.add_argument("--parent", type=int, metavar="PID", help="end when this process, which started it, has gone")
    arguments = parser.parse_args()
    try:
        given = Settings.from_environment()
    except ValueError as error:
        sys.exit(f"oncoserve: {error}")
    logs.configure(given.log_level)
    memory.return_large_buffers()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(given, arguments.parent))
