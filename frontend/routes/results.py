"""GET /v1/results/{id} and its pictures; nothing here asks the inference server."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from frontend.pipeline import Pipeline
from frontend.routes.predict import JSON, PICTURE, PNG, problems
from frontend.routes.uploads import parse_parameters
from frontend.schemas import ClassificationResult
from frontend.tasks.base import OverlayOptions

OVERLAY_PARAMETERS = [
    {"name": name, "in": "query", "required": False, "schema": schema}
    for name, schema in OverlayOptions.model_json_schema()["properties"].items()
]


def router(pipeline: Pipeline) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(prefix="/v1/results", tags=["results"])

    @routes.get(
        "/{result}", summary="A result again", response_model=ClassificationResult, responses=problems(404, 503)
    )
    async def read_result(result: str) -> Response:
        return Response(await pipeline.document(result), media_type=JSON)

    @routes.get(
        "/{result}/overlay.png",
        summary="The annotated picture",
        response_class=Response,
        responses={
            200: {"content": {PNG: {"schema": PICTURE}}, "description": "PNG of the picture's size"},
            **problems(404, 422, 503),
        },
        openapi_extra={"parameters": OVERLAY_PARAMETERS},
    )
    async def read_overlay(result: str, request: Request) -> Response:
        """`opacity` 0-1; `base=none` gives the layer alone, transparent, for a viewer that has the picture."""
        options = parse_parameters(OverlayOptions, request.query_params.multi_items())
        return Response(await pipeline.overlay(result, options), media_type=PNG)

    return routes
