"""What a viewer asks of a result: its tiles, and to keep what a person corrects. No inference."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from frontend.http.links import RESULTS, root_of, shown
from frontend.http.shapes.result_shapes import Result
from frontend.http.shapes.viewing_shapes import CorrectionsShape, TilesShape
from frontend.routes.answers import problems, query, send, unless_gone
from frontend.routes.uploads import parse_parameters
from oncoserve.results.gallery import Gallery
from oncoserve.results.viewing.viewer import Viewer
from oncoserve.tasks import TASKS


def router(gallery: Gallery, viewer: Viewer) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(prefix=RESULTS, tags=["results"])

    @routes.get(
        "/{result}/tiles", summary="What can be looked at", response_model=TilesShape, responses=problems(404, 503)
    )
    async def read_tiles(result: str, request: Request) -> TilesShape:
        """The picture's size, levels and layers."""
        return TilesShape.model_validate(await viewer.describe(result, request.state.owner))

    @routes.get(
        "/{result}/tiles/{layer}/{level}/{tile}",
        summary="A tile of the picture or of a layer over it",
        response_class=Response,
        responses={200: {"content": {"image/png": {}}, "description": "The tile"}, **problems(404, 503)},
    )
    async def read_tile(result: str, layer: str, level: str, tile: str, request: Request) -> Response:
        """Level 0 fits into one tile, each next one is twice as large; `tile` is `<x>_<y>`."""
        content = await unless_gone(request, viewer.tile(result, request.state.owner, layer, level, tile))
        return Response(content, media_type="image/png")

    @routes.put(
        "/{result}/corrections",
        summary="Exclude objects from a result",
        response_model=Result,
        responses=problems(404, 413, 422, 503),
        openapi_extra={"parameters": query(*(task.view for task in TASKS))},
    )
    async def write_corrections(result: str, corrections: CorrectionsShape, request: Request) -> Response:
        """The objects named, and no others, are not counted and not drawn at this threshold from now on.

        The names are those in polygons.geojson. They are kept as long as the result.
        """
        entry = await gallery.open(result, request.state.owner)
        view = parse_parameters(entry.model.task.view, request.query_params.multi_items())
        document = await gallery.correct(entry, request.state.owner, view, frozenset(corrections.excluded))
        return send(shown(document, root_of(request.scope)))

    return routes
