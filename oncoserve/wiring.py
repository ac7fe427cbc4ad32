"""Builds the shared services, once, for every front door: the frontend, the worker and the function in AWS Lambda."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from oncoserve.inference.backend import InferenceBackend
from oncoserve.inference.canary import Canaries
from oncoserve.inference.coalescing import CoalescingBackend
from oncoserve.jobs.image import Handler, Rules
from oncoserve.jobs.intake.submission import JobLimits
from oncoserve.jobs.ports import Adapters, Show
from oncoserve.jobs.queue_room import Room
from oncoserve.jobs.service import Jobs
from oncoserve.jobs.worker import Worker
from oncoserve.prediction.admission import FIELDS, Admission
from oncoserve.prediction.catalogue import SERVER, Catalogue, Snapshot
from oncoserve.prediction.predict import Limits, Predict
from oncoserve.results.damage import Damage
from oncoserve.results.gallery import Gallery
from oncoserve.results.in_files.file_expiry import FileSweeper
from oncoserve.results.in_files.file_results import FileResults
from oncoserve.results.result_store import Keeping
from oncoserve.runtime.budget import Budget
from oncoserve.runtime.memory import given_back_when_quiet
from oncoserve.runtime.metrics import Metrics
from oncoserve.runtime.service_clock import Clock, ServiceClock
from oncoserve.runtime.sharing import SharedCounts
from oncoserve.runtime.threads import CpuThreads
from oncoserve.runtime.tracing import Traces
from oncoserve.settings import Settings
from oncoserve.storage.disk import Disk
from oncoserve.storage.storage import AllOf, Storage

MANY_BATCHES = 1024


@dataclass(frozen=True)
class Memory:
    """The parts of `Settings.memory_bytes`.

    Whoever needs several takes them in this order, and so never waits for one that waits for it.

    Attributes:
        bodies: of requests, until they are answered.
        drawings: encoded, until they are read.
        pictures: being decoded, asked about or drawn.
    """

    bodies: Budget
    drawings: Budget
    pictures: Budget

    @classmethod
    def of(cls, settings: Settings, counts: SharedCounts) -> "Memory":
        """A quarter for bodies, a quarter for drawings, and half for pictures.

        Args:
            settings: the whole.
            counts: where the processes tell each other what they hold.
        """
        quarter = settings.memory_bytes // 4
        receive_s, infer_s = settings.receive_timeout_s, settings.infer_timeout_s
        return cls(
            Budget("uploads", quarter, counts.of("memory/bodies"), receive_s),
            Budget("drawings", quarter, counts.of("memory/drawings"), infer_s),
            Budget("pictures", 2 * quarter, counts.of("memory/pictures"), infer_s),
        )

    def used_bytes(self) -> int:
        """What is taken of all parts, in all processes."""
        return sum(each.used_bytes() for each in (self.bodies, self.drawings, self.pictures))


@dataclass(frozen=True)
class Core:
    """What answers pictures, and shows what was answered."""

    settings: Settings
    server: InferenceBackend
    traces: Traces
    metrics: Metrics
    threads: CpuThreads
    memory: Memory
    catalogue: Catalogue
    results: Keeping
    storage: Storage
    clock: Clock
    gallery: Gallery
    predict: Predict
    counts: SharedCounts

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The length of the process: the models are watched, and at the end everything is let go of."""
        try:
            with self.storage.watched():
                async with (
                    self.catalogue.watch(self.settings.poll_interval_s),
                    given_back_when_quiet(self.memory.used_bytes),
                ):
                    yield
        finally:
            await self.server.close()
            await asyncio.to_thread(self.threads.close)
            self.traces.close()


def frontend_core(settings: Settings, backend: InferenceBackend | None = None, shared: Path | None = None) -> Core:
    """For callers who wait: what would come too late is refused.

    Args:
        settings: limits and addresses.
        backend: the inference server; Triton at `settings.inference_url` when left out.
        shared: folder of the worker processes that hold the limits together; None for a process that is alone.
    """
    counts = SharedCounts(shared, FIELDS)
    admission = Admission(settings.max_batches_in_flight, settings.infer_timeout_s, counts)
    memory, clock = Memory.of(settings, counts), ServiceClock(settings.results_dir)
    return _core(settings, admission, memory, Traces(settings.otlp_endpoint), backend, clock, counts)


def worker_core(
    settings: Settings, clock: Clock, backend: InferenceBackend | None = None, shared: Path | None = None
) -> Core:
    """For jobs: a worker decides itself how much it takes on, and refuses nothing of it.

    Beside a frontend, whose folder `shared` is, it gives way to interactive requests. `clock` is that of its adapters.
    See `frontend_core`.
    """
    counts = SharedCounts(shared, FIELDS, publish=False)
    memory = Memory.of(settings, SharedCounts(None, FIELDS))  # often it is in a container of its own
    return _core(settings, Admission(MANY_BATCHES, math.inf, counts), memory, Traces(), backend, clock, counts)


def _core(
    settings: Settings,
    admission: Admission,
    memory: Memory,
    traces: Traces,
    backend: InferenceBackend | None,
    clock: Clock,
    counts: SharedCounts,
) -> Core:
    metrics = Metrics()
    canaries = Canaries(backend or _triton(settings, traces), lambda model: metrics.canaries_failed.labels(model).inc())
    server = CoalescingBackend(canaries)
    threads = CpuThreads(settings.cpu_threads)
    catalogue = Catalogue(server, settings.model_repository, partial(_show, metrics), canaries)
    free = settings.min_free_bytes, settings.min_free_inodes
    disk = Disk(settings.results_dir, *free, settings.storage_timeout_s, clock.tick)
    kept = _open_results(settings, disk, clock, metrics)
    store = kept.store
    limits = Limits(settings.max_image_pixels, settings.infer_timeout_s, settings.max_tiles_in_flight)
    return Core(
        settings,
        server,
        traces,
        metrics,
        threads,
        memory,
        catalogue,
        kept,
        disk if store.storage is disk else AllOf(disk, store.storage),
        clock,
        Gallery(store, catalogue.get, threads, memory.drawings, memory.pictures, settings.max_image_pixels),
        Predict(server, catalogue.successor, store, admission, memory.pictures, threads, metrics, limits),
        counts,
    )


def _open_results(settings: Settings, disk: Disk, clock: Clock, metrics: Metrics) -> Keeping:
    """Where results are kept, as the settings say; nothing is opened or made before it is needed."""
    damage = Damage(metrics.damaged.inc)
    if settings.object_store == "s3":
        from oncoserve.results.in_bucket.bucket_opening import open_bucket  # noqa: PLC0415 - not installed everywhere

        return open_bucket(settings, damage)
    store = FileResults(settings.results_dir, settings.results_ttl_s, disk, clock, damage)
    return Keeping(store, partial(FileSweeper, store, settings.results_max_bytes))


def _show(metrics: Metrics, found: Snapshot) -> None:
    metrics.ready.set(found.ready)
    known = {*found.models, *found.problems} - {SERVER}
    metrics.show_models({name: found.reachable and name in found.models for name in known})


def _triton(settings: Settings, traces: Traces) -> InferenceBackend:
    from oncoserve.inference.triton import TritonBackend  # noqa: PLC0415 - in Lambda there is no Triton, and no client

    return TritonBackend(settings.inference_url, traces)


def open_adapters(settings: Settings, show: Show = dict, clock: Clock | None = None) -> Adapters:
    """Where jobs are kept, as the settings say; nothing is opened or made before it is needed.

    Args:
        settings: which storage, and where it is.
        show: makes of a stored result's document what callers get, where results are published with it.
        clock: of the process, if it has one already.
    """
    if settings.jobs == "aws":
        from oncoserve.jobs.aws.aws_adapters import open_aws  # noqa: PLC0415 - its packages are not installed everywhere

        return open_aws(settings, show)
    clock = clock or ServiceClock(settings.results_dir)
    if settings.jobs == "postgres":
        from oncoserve.jobs.postgres.postgres_adapters import open_postgres  # noqa: PLC0415 - likewise

        return open_postgres(settings, clock)
    from oncoserve.jobs.embedded.embedded_adapters import open_embedded  # noqa: PLC0415 - functions go without SQLAlchemy

    return open_embedded(settings, clock)


def open_jobs(
    settings: Settings,
    adapters: Adapters,
    threads: CpuThreads,
    storage: Storage | None = None,
    memory: Budget | None = None,
) -> Jobs:
    """What callers do with jobs; `storage` is where they are kept, unless it is AWS."""
    limits = JobLimits(
        settings.jobs_ttl_s,
        settings.max_job_images,
        settings.max_image_pixels,
        settings.max_upload_bytes,
        settings.max_job_bytes,
        Room(settings.max_queued_images_per_owner, settings.max_queued_images),
        math.inf if settings.jobs == "aws" else settings.storage_timeout_s,  # AWS has limits of its own
    )
    return Jobs(adapters, limits, threads, None if settings.jobs == "aws" else storage, memory)


def open_worker(core: Core, adapters: Adapters) -> Worker:
    """What works on jobs; `core` has to be running, and belongs to `worker_core`."""
    settings = core.settings
    rules = Rules(
        settings.job_images_in_flight,
        settings.job_max_attempts,
        settings.job_lease_s,
        settings.shutdown_grace_s,
        settings.only_models,
    )
    handler = Handler(adapters, core.catalogue, core.predict, core.gallery, rules, core.metrics)
    return Worker(adapters, core.catalogue, handler, rules, core.storage)
