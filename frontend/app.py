"""The application, wired once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline
from starlette.staticfiles import StaticFiles

from frontend import NOTICE, __version__, error_handlers, logs, memory
from frontend.admission import Admission
from frontend.backend import InferenceBackend
from frontend.catalogue import Catalogue
from frontend.gallery import Gallery
from frontend.metrics import Metrics
from frontend.middleware import BodyLimit, RequestContext
from frontend.pipeline import Limits, Pipeline
from frontend.results import ResultStore
from frontend.routes import health, models, page, predict, results
from frontend.settings import Settings
from frontend.threads import CpuThreads
from frontend.tracing import Traces
from frontend.triton import TritonBackend

STATIC = Path(__file__).parent / "static"
UNTRACED = {"/livez", "/readyz", "/metrics"}  # asked every few seconds, by machines


def create_app(settings: Settings, backend: InferenceBackend | None = None) -> FastAPI:
    """Build the application.

    Args:
        settings: limits and addresses.
        backend: the inference server; Triton at `settings.inference_url` when left out.
    """
    traces = Traces(settings.otlp_endpoint)
    server = backend or TritonBackend(settings.inference_url, traces)
    metrics = Metrics()
    catalogue = Catalogue(server, settings.model_repository, lambda found: metrics.ready.set(found.ready))
    threads = CpuThreads(settings.cpu_threads)
    limits = Limits(settings.max_image_pixels, settings.infer_timeout_s, settings.max_tiles_in_flight)
    store = ResultStore(settings.results_dir)
    pipeline = Pipeline(server, store, Admission(settings.max_in_flight), threads, limits)
    gallery = Gallery(store, catalogue, threads, settings.max_image_pixels)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with catalogue.watch(settings.poll_interval_s):
            yield
        await server.close()
        threads.close()
        traces.close()

    # FastAPI's /docs would load its scripts from another host; hospital networks have none.
    app = FastAPIOffline(
        redoc_url=None,
        title="Oncoserve",
        version=__version__,
        description=NOTICE,
        lifespan=lifespan,
        telemetry=_telemetry(traces),
    )
    app.add_middleware(BodyLimit, limit_bytes=settings.max_upload_bytes, timeout_s=settings.receive_timeout_s)
    app.add_middleware(RequestContext, metrics=metrics, traces=traces)
    error_handlers.install(app)
    for router in (
        predict.router(catalogue, pipeline, gallery, metrics),
        models.router(catalogue),
        results.router(gallery),
        health.router(catalogue, metrics),
        page.router(catalogue, settings),
    ):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


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


def create_from_environment() -> FastAPI:
    """The application of a worker process (uvicorn's factory)."""
    settings = Settings.from_environment()
    logs.configure(settings.log_level)
    memory.return_large_buffers()
    return create_app(settings)
