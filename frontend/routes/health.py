"""Is the process alive, can it answer, and what has it done."""

import contextlib
from dataclasses import asdict

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from frontend.http.shapes.model_shapes import ReadyShape
from oncoserve.errors import JobsUnavailable
from oncoserve.inference.pending import read_pending
from oncoserve.jobs.job_watch import JobWatch
from oncoserve.jobs.service import Jobs
from oncoserve.runtime.draining import Draining
from oncoserve.wiring import Core


def router(core: Core, draining: Draining, jobs: Jobs, watch: JobWatch) -> APIRouter:
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
        snapshot = await core.catalogue.refresh()
        problems = dict(snapshot.problems)
        if core.storage.error is not None:
            problems["storage"] = str(core.storage.error.args[0])
        if watch.trouble:
            problems["jobs"] = watch.trouble  # and ready all the same: who waits for an answer needs no job
        fine = snapshot.ready and core.storage.error is None
        shape = ReadyShape(ready=fine, models=sorted(snapshot.models), problems=problems)
        return JSONResponse(shape.model_dump(), 200 if fine else 503)

    @routes.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def read_metrics() -> Response:
        with contextlib.suppress(JobsUnavailable):  # what was last known stands until it answers again
            core.metrics.show_backlog({model: asdict(counts) for model, counts in (await jobs.backlog()).items()})
        core.metrics.storage_ready.set(core.storage.error is None)
        own, passed_on = core.metrics.expose(), await read_pending(core.settings.inference_metrics_url)
        return Response(own + passed_on, headers={"Content-Type": core.metrics.content_type})

    return routes
