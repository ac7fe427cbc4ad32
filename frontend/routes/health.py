"""Is the process alive, can it answer, and what has it done."""

import contextlib
from dataclasses import asdict

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from frontend.http.shapes.model_shapes import ReadyShape
from oncoserve.errors import JobsUnavailable
from oncoserve.jobs.service import Jobs
from oncoserve.prediction.catalogue import Catalogue
from oncoserve.runtime.disk import Disk
from oncoserve.runtime.draining import Draining
from oncoserve.runtime.metrics import Metrics


def router(catalogue: Catalogue, metrics: Metrics, draining: Draining, jobs: Jobs, disk: Disk) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(tags=["health"])

    @routes.get("/livez", summary="The process answers", response_class=Response)
    async def live() -> Response:
        return Response("ok\n", media_type="text/plain")

    @routes.get(
        "/readyz",
        summary="Every model is loaded, warm, and what its card says, and there is room for results",
        response_model=ReadyShape,
        responses={503: {"model": ReadyShape, "description": "Not ready, and why"}},
    )
    async def ready() -> Response:
        if draining.active:
            leaving = ReadyShape(ready=False, models=[], problems={"frontend": "shutting down"})
            return JSONResponse(leaving.model_dump(), 503)
        snapshot = await catalogue.refresh()
        problems = dict(snapshot.problems)
        if disk.error is not None:
            problems["storage"] = str(disk.error.args[0])
        fine = snapshot.ready and disk.error is None
        shape = ReadyShape(ready=fine, models=sorted(snapshot.models), problems=problems)
        return JSONResponse(shape.model_dump(), 200 if fine else 503)

    @routes.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def read_metrics() -> Response:
        with contextlib.suppress(JobsUnavailable):  # what was last known stands until it answers again
            metrics.show_backlog({model: asdict(counts) for model, counts in (await jobs.backlog()).items()})
        metrics.storage_ready.set(disk.error is None)
        return Response(metrics.expose(), headers={"Content-Type": metrics.content_type})

    return routes
