"""The application, wired once."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from frontend import NOTICE, __version__, error_handlers, logs
from frontend.admission import Admission
from frontend.backend import InferenceBackend
from frontend.catalogue import Catalogue
from frontend.metrics import Metrics
from frontend.middleware import BodyLimit, RequestContext
from frontend.pipeline import Limits, Pipeline
from frontend.results import ResultStore
from frontend.routes import health, models, page, predict, results
from frontend.settings import Settings
from frontend.triton import TritonBackend

STATIC = Path(__file__).parent / "static"


def create_app(settings: Settings, backend: InferenceBackend | None = None) -> FastAPI:
    """Build the application.

    Args:
        settings: limits and addresses.
        backend: the inference server; Triton at `settings.inference_url` when left out.
    """
    server = backend or TritonBackend(settings.inference_url)
    metrics = Metrics()
    catalogue = Catalogue(server, settings.model_repository, lambda found: metrics.ready.set(found.ready))
    threads = ThreadPoolExecutor(settings.cpu_threads, thread_name_prefix="cpu")
    limits = Limits(settings.max_image_pixels, settings.infer_timeout_s)
    store = ResultStore(settings.results_dir)
    pipeline = Pipeline(server, catalogue, store, Admission(settings.max_in_flight), threads, limits)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with catalogue.watch(settings.poll_interval_s):
            yield
        await server.close()
        threads.shutdown()

    app = FastAPI(title="Oncoserve", version=__version__, description=NOTICE, lifespan=lifespan)
    app.add_middleware(BodyLimit, limit_bytes=settings.max_upload_bytes)
    app.add_middleware(RequestContext, metrics=metrics)
    error_handlers.install(app)
    for router in (
        predict.router(catalogue, pipeline, metrics),
        models.router(catalogue),
        results.router(pipeline),
        health.router(catalogue, metrics),
        page.router(catalogue, settings),
    ):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


def create_from_environment() -> FastAPI:
    """The application of a worker process (uvicorn's factory)."""
    settings = Settings.from_environment()
    logs.configure(settings.log_level)
    return create_app(settings)
