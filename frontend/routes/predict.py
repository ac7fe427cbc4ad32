"""POST /v1/models/{model}/predict."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from frontend.catalogue import Catalogue
from frontend.metrics import Metrics
from frontend.negotiation import choose
from frontend.pipeline import Pipeline
from frontend.routes.uploads import parse_parameters, read_upload
from frontend.schemas import ClassificationResult, Problem
from frontend.tasks.base import OverlayOptions

JSON, PNG = "application/json", "image/png"
PICTURE = {"type": "string", "format": "binary"}

REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "required": ["image"], "properties": {"image": PICTURE}},
        },
        "image/png": {"schema": PICTURE},
        "image/jpeg": {"schema": PICTURE},
        "application/octet-stream": {"schema": PICTURE},
    },
}

PROBLEM_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's `responses` for errors of these statuses."""
    return {status: {"model": Problem, "description": "An error", "content": PROBLEM_CONTENT} for status in statuses}


def router(catalogue: Catalogue, pipeline: Pipeline, metrics: Metrics) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(tags=["predict"])

    @routes.post(
        "/v1/models/{model}/predict",
        summary="Ask a model about a picture",
        response_model=ClassificationResult,
        responses={
            200: {
                "content": {PNG: {"schema": PICTURE}},
                "description": "The result, or with Accept: image/png its overlay",
            },
            **problems(400, 404, 406, 413, 415, 422, 500, 502, 503, 504),
        },
        openapi_extra={"requestBody": REQUEST_BODY},
    )
    async def predict(model: str, request: Request) -> Response:
        """Send a PNG or JPEG as multipart field `image` or as the body; the same picture again costs no inference."""
        served = catalogue.get(model)
        offered = [JSON, PNG] if served.card.saliency else [JSON]
        media_type = choose(request.headers.get("accept", ""), offered)
        pipeline.admission.check(model)
        data, fields = await read_upload(request)
        parameters = parse_parameters(served.task.parameters, [*request.query_params.multi_items(), *fields])
        timings = request.state.timings
        timings.lap("receive")
        answer = await pipeline.predict(served, data, parameters, timings)
        metrics.predictions.labels(model, "store" if answer.cached else "inference").inc()
        headers = {
            "Cache-Status": "oncoserve; hit" if answer.cached else "oncoserve; fwd=miss; stored",
            "Content-Location": f"/v1/results/{answer.id}",
        }
        if media_type == JSON:
            return Response(answer.document, 200, headers, JSON)
        png = await pipeline.overlay(answer.id, OverlayOptions())
        timings.lap("render")
        return Response(png, 200, headers | {"Content-Location": f"/v1/results/{answer.id}/overlay.png"}, PNG)

    return routes
