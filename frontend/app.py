"""The application, wired once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Lifespan

from frontend.http import access, cross_origin, direct, problems
from frontend.http.access import Access
from frontend.http.links import ROOT, path_of
from frontend.http.methods import HeadAsGet
from frontend.http.middleware import BodyLimit, CloseConnections, RequestContext
from frontend.http.rate_limit import RateLimit
from frontend.http.security_headers import SecurityHeaders
from frontend.http.wire.accepting import CONNECTIONS
from frontend.http.wire.leaving import AnswerBeforeTheEnd
from frontend.pages import result_pages, samples, start, static_files
from frontend.pages.rendering import Pages
from frontend.proxies import BehindProxy
from frontend.routes import health, invocations, models, predictions, results, viewing
from frontend.routes import jobs as job_routes
from oncoserve import NOTICE, __version__
from oncoserve.inference.backend import InferenceBackend
from oncoserve.jobs.job_watch import JobWatch
from oncoserve.keys import KeyFile
from oncoserve.results.expiry import sweeping
from oncoserve.results.viewing.cache import PyramidCache
from oncoserve.results.viewing.pyramid_files import PyramidFiles
from oncoserve.results.viewing.viewer import Viewer
from oncoserve.runtime import logs, memory
from oncoserve.runtime.draining import Draining
from oncoserve.runtime.sharing import folder_from_environment
from oncoserve.runtime.tracing import Traces
from oncoserve.settings import Settings
from oncoserve.wiring import Core, frontend_core, open_adapters, open_jobs

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
    core = frontend_core(settings, backend, shared)
    adapters = open_adapters(settings, clock=core.clock)
    jobs = open_jobs(settings, adapters, core.threads, core.storage, core.memory.pictures)
    watch = JobWatch(jobs if settings.jobs == "postgres" else None)
    address = static_files.base_address()
    pages = Pages(settings, address)
    pictures = samples.Samples(settings.samples_dir, settings.model_repository, core.catalogue)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        async with core.running(), sweeping(core.results.sweeper(jobs.results_in_use)), watch.watched():
            yield {ROOT: settings.root_path, CONNECTIONS: core.counts.of(CONNECTIONS)}  # before there is a request
            await jobs.close()

    app = _application(lifespan, core.traces)
    _wrap(app, core, draining, address, shared)
    viewer = Viewer(core.gallery, core.threads, PyramidCache(PyramidFiles(shared, settings.viewer_cache_bytes)))
    _include(
        app,
        predictions.router(core.catalogue, core.predict, core.gallery, jobs),
        job_routes.router(jobs, lambda name: core.catalogue.get(name).task),
        models.router(core.catalogue),
        results.router(core.gallery),
        viewing.router(core.gallery, viewer),
        health.router(core, draining, jobs, watch),
        start.router(core.catalogue, core.predict, pictures, pages),
        samples.router(pictures),
        result_pages.router(core.gallery, core.catalogue, pages),
        shortcuts=core.traces.provider is None,  # FastAPI's span of a request gets its route from the router
    )
    if settings.sagemaker:
        only, folder = sorted(settings.only_models), settings.results_dir
        asked = invocations.Invocations(core.catalogue, core.predict, core.gallery, only, draining, folder)
        app.include_router(invocations.router(asked, draining, core.storage))
    return app


def _application(lifespan: Lifespan[FastAPI], traces: Traces) -> FastAPI:
    # FastAPI's /docs would load its scripts from another host; hospital networks have none. The page is in pages/start.
    app = FastAPIOffline(
        docs_url=None,
        redoc_url=None,
        title="Oncoserve",
        version=__version__,
        description=NOTICE,
        lifespan=lifespan,
        telemetry=_telemetry(traces),
    )
    problems.install(app)
    app.mount("/static", static_files.files(), name="static")
    return app


def _include(app: FastAPI, *routers: APIRouter, shortcuts: bool) -> None:
    for router in routers:
        app.include_router(router)
        if shortcuts:
            direct.shorten(app, router)


def _wrap(app: FastAPI, core: Core, draining: Draining, static_address: str, shared: Path | None) -> None:
    """Add what surrounds the routes; each wraps what was added before it."""
    settings = core.settings
    limit_bytes, timeout_s = settings.max_upload_bytes, settings.receive_timeout_s
    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyLimit, limit_bytes=limit_bytes, timeout_s=timeout_s, budget=core.memory.bodies)
    _guard(app, settings, shared)
    app.add_middleware(AnswerBeforeTheEnd, draining=draining)
    app.add_middleware(RequestContext, metrics=core.metrics, traces=core.traces)
    if settings.cors_origins:  # around it, so that an answer that it makes can be read too
        app.add_middleware(CORSMiddleware, **cross_origin.allowing(settings.cors_origins.split(",")))
    app.add_middleware(SecurityHeaders, unchanging=f"{static_address}/")
    app.add_middleware(CloseConnections, draining=draining)
    app.add_middleware(BehindProxy, root=settings.root_path, trusted=settings.trusted_proxies)


def _telemetry(traces: Traces) -> TelemetryConfig:
    """FastAPI's span of a request, and nothing else of its telemetry: metrics and logs are our own."""
    return {
        "tracing": traces.provider is not None,
        "tracer_provider": traces.provider,
        "exclude": lambda scope: path_of(scope) in UNTRACED,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
    }


def _guard(app: FastAPI, settings: Settings, shared: Path | None) -> None:
    """Who may ask, and how often."""
    keys = None if settings.api_keys_file is None else KeyFile(settings.api_keys_file, shared=shared)
    rates = RateLimit(settings.rate_limit_per_min, shared)
    app.add_middleware(Access, keys=keys, rates=rates)
    access.describe(app, keys=keys is not None, rates=settings.rate_limit_per_min > 0)


def create_from_environment(draining: Draining | None = None) -> FastAPI:
    """The application of a process that serves.

    Args:
        draining: see `create_app`.
    """
    settings = Settings.from_environment()
    logs.configure(settings.log_level)
    memory.return_large_buffers()
    return create_app(settings, draining=draining, shared=folder_from_environment())
