"""The application, wired once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Lifespan

from frontend.http import access, direct
from frontend.http import problems as error_handlers
from frontend.http.access import Access
from frontend.http.middleware import BodyLimit, CloseConnections, RequestContext
from frontend.http.rate_limit import RateLimit
from frontend.http.security_headers import SecurityHeaders
from frontend.pages import result_pages
from frontend.pages import start as page
from frontend.pages import static_files as static
from frontend.pages.rendering import Pages
from frontend.routes import health, models, predict, results, viewing
from frontend.routes import jobs as job_routes
from oncoserve import NOTICE, __version__
from oncoserve.inference.backend import InferenceBackend
from oncoserve.inference.coalescing import CoalescingBackend
from oncoserve.inference.triton import TritonBackend
from oncoserve.jobs.adapters import open_adapters
from oncoserve.jobs.service import JobLimits, Jobs
from oncoserve.keys import KeyFile
from oncoserve.prediction.admission import Admission, Lane
from oncoserve.prediction.catalogue import Catalogue
from oncoserve.prediction.predict import SMALL_BYTES, Limits, Pipeline
from oncoserve.results import expiry as retention
from oncoserve.results.gallery import Gallery
from oncoserve.results.store import ResultStore
from oncoserve.results.viewing.cache import PyramidCache
from oncoserve.results.viewing.viewer import Viewer
from oncoserve.runtime import logs, memory
from oncoserve.runtime.draining import Draining
from oncoserve.runtime.metrics import Metrics
from oncoserve.runtime.sharing import SharedCounts, folder_from_environment
from oncoserve.runtime.threads import CpuThreads
from oncoserve.runtime.tracing import Traces
from oncoserve.settings import Settings

UNTRACED = {"/livez", "/readyz", "/metrics"}  # asked every few seconds, by machines


def create_app(
    settings: Settings,
    backend: InferenceBackend | None = None,
    draining: Draining | None = None,
    shared: Path | None = None,
) -> FastAPI:
    """Build the application.

    Args:
        settings: limits and addresses.
        backend: the inference server; Triton at `settings.inference_url` when left out.
        draining: told of the process's end; left out, nobody tells.
        shared: folder of the worker processes that hold the limits together; None for a process that is alone.
    """
    draining = draining or Draining()
    traces = Traces(settings.otlp_endpoint)
    server = CoalescingBackend(backend or TritonBackend(settings.inference_url, traces))
    metrics = Metrics()
    catalogue = Catalogue(server, settings.model_repository, lambda found: metrics.ready.set(found.ready))
    threads = CpuThreads(settings.cpu_threads)
    store = ResultStore(settings.results_dir, settings.results_ttl_s)
    pipeline = _pipeline(settings, server, store, threads, SharedCounts(shared, len(Lane)))
    jobs = _jobs(settings, threads)
    address = static.base_address()
    pages = Pages(settings, address)
    gallery = Gallery(store, catalogue, threads, settings.max_image_pixels)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with catalogue.watch(settings.poll_interval_s), retention.sweeping(store, threads):
            yield
        await asyncio.gather(server.close(), jobs.close())
        threads.close()
        traces.close()

    app = _application(lifespan, traces)
    _wrap(app, settings, metrics, traces, draining, address, RateLimit(settings.rate_limit_per_min, shared))
    _include(
        app,
        predict.router(catalogue, pipeline, gallery, metrics, jobs),
        job_routes.router(jobs, lambda name: catalogue.get(name).task),
        models.router(catalogue),
        results.router(gallery),
        viewing.router(gallery, Viewer(gallery, threads, PyramidCache(settings.viewer_cache_bytes))),
        health.router(catalogue, metrics, draining, jobs),
        page.router(catalogue, pipeline, settings, pages),
        result_pages.router(gallery, catalogue, pages),
        shortcuts=traces.provider is None,  # FastAPI's span of a request gets its route from the router
    )
    return app


def _application(lifespan: Lifespan[FastAPI], traces: Traces) -> FastAPI:
    # FastAPI's /docs would load its scripts from another host; hospital networks have none. The page is in routes/page.
    app = FastAPIOffline(
        docs_url=None,
        redoc_url=None,
        title="Oncoserve",
        version=__version__,
        description=NOTICE,
        lifespan=lifespan,
        telemetry=_telemetry(traces),
    )
    error_handlers.install(app)
    app.mount("/static", static.files(), name="static")
    return app


def _include(app: FastAPI, *routers: APIRouter, shortcuts: bool) -> None:
    for router in routers:
        app.include_router(router)
        if shortcuts:
            direct.shorten(app, router)


def _pipeline(
    settings: Settings, server: InferenceBackend, store: ResultStore, threads: CpuThreads, counts: SharedCounts
) -> Pipeline:
    admission = Admission(settings.max_batches_in_flight, settings.infer_timeout_s, counts)
    limits = Limits(
        settings.max_image_pixels,
        settings.infer_timeout_s,
        settings.max_tiles_in_flight,
        SMALL_BYTES if settings.workers > 1 else 0,
    )
    return Pipeline(server, store, admission, threads, limits)


def _jobs(settings: Settings, threads: CpuThreads) -> Jobs:
    limits = JobLimits(
        settings.jobs_ttl_s, settings.max_job_images, settings.max_image_pixels, settings.max_upload_bytes
    )
    return Jobs(open_adapters(settings), limits, threads)


def _wrap(
    app: FastAPI,
    settings: Settings,
    metrics: Metrics,
    traces: Traces,
    draining: Draining,
    static_address: str,
    rates: RateLimit,
) -> None:
    """Add what surrounds the routes; each wraps what was added before it."""
    app.add_middleware(BodyLimit, limit_bytes=settings.max_upload_bytes, timeout_s=settings.receive_timeout_s)
    _guard(app, settings, rates)
    app.add_middleware(RequestContext, metrics=metrics, traces=traces)
    app.add_middleware(SecurityHeaders, unchanging=f"{static_address}/")
    app.add_middleware(CloseConnections, draining=draining)


def _telemetry(traces: Traces) -> TelemetryConfig:
    """FastAPI's span of a request, and nothing else of its telemetry: metrics and logs are our own."""
    return {
        "tracing": traces.provider is not None,
        "tracer_provider": traces.provider,
        "exclude": lambda scope: scope.get("path") in UNTRACED,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
    }


def _guard(app: FastAPI, settings: Settings, rates: RateLimit) -> None:
    """Who may ask, how often, and from pages of which origins."""
    keys = None if settings.api_keys_file is None else KeyFile(settings.api_keys_file)
    app.add_middleware(Access, keys=keys, rates=rates)
    access.describe(app, keys=keys is not None, rates=settings.rate_limit_per_min > 0)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins.split(","),
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=[access.HEADER, "X-Request-ID"],
            expose_headers=["Content-Location", "Retry-After", "Server-Timing", "X-Request-ID"],
        )


def create_from_environment() -> FastAPI:
    """The application of a worker process (uvicorn's factory)."""
    settings = Settings.from_environment()
    logs.configure(settings.log_level)
    memory.return_large_buffers()
    draining = Draining()
    draining.begin_on_sigterm(settings.drain_s)
    return create_app(settings, draining=draining, shared=folder_from_environment())
