"""GET and DELETE /v1/results/{id}, and the files made from a result; nothing here asks the inference server."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from frontend.http.links import RESULTS, root_of, shown
from frontend.http.shapes.result_shapes import ComparisonShape, Result
from frontend.routes.answers import draw, problems, query, send, unless_gone
from frontend.routes.uploads import parse_parameters
from oncoserve.results.evidence.evidence_renderings import evidence
from oncoserve.results.gallery import Gallery, ThumbnailOptions
from oncoserve.tasks import TASKS
from oncoserve.tasks.base import Rendering


def router(gallery: Gallery) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(prefix=RESULTS, tags=["results"])

    @routes.get(
        "/{result}",
        summary="A result again",
        response_model=Result,
        responses=problems(404, 422, 503),
        openapi_extra={"parameters": query(*(task.view for task in TASKS))},
    )
    async def read_result(result: str, request: Request) -> Response:
        """With a threshold, where the task has one, the numbers as they are with it."""
        given = request.query_params.multi_items()
        if not given:
            return send(shown(await gallery.document(result, request.state.owner), root_of(request.scope)))
        entry = await gallery.open(result, request.state.owner)
        view = parse_parameters(entry.model.task.view, given)
        return send(shown(await gallery.review(entry, view), root_of(request.scope)))

    @routes.get(
        "/{result}/comparison",
        summary="The same picture's result of the model that answers the same question",
        response_model=ComparisonShape,
        responses=problems(404, 503),
    )
    async def read_comparison(result: str, request: Request) -> Response:
        """Where `compare_with` of the model's card names one. Asks no model: what is stored is compared."""
        comparison = await gallery.compare(result, request.state.owner)
        return send(asdict(comparison))

    @routes.delete("/{result}", summary="Delete a result", status_code=204, responses=problems(404, 503))
    async def delete_result(result: str, request: Request) -> None:
        """Its picture, its files and its document are gone from the storage when the answer comes."""
        await gallery.delete(result, request.state.owner)

    @routes.get(
        "/{result}/thumbnail.jpg",
        summary="The picture made small",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}, "description": "The file"}, **problems(404, 422, 503)},
        openapi_extra={"parameters": query(ThumbnailOptions)},
    )
    async def read_thumbnail(result: str, request: Request) -> Response:
        options = parse_parameters(ThumbnailOptions, request.query_params.multi_items())
        thumbnail = await unless_gone(request, gallery.thumbnail(result, request.state.owner, options))
        return Response(thumbnail, media_type="image/jpeg")

    for name, renderings in _by_name().items():
        routes.add_api_route(
            f"/{{result}}/{name}",
            _read_rendering(gallery, name),
            summary="; ".join(each.summary for each in renderings),
            response_class=Response,
            responses={
                200: {"content": {renderings[0].media_type: {}}, "description": "The file"},
                **problems(404, 422, 503),
            },
            openapi_extra={"parameters": query(*(each.options for each in renderings))},
            name=name,
        )
    return routes


def _read_rendering(gallery: Gallery, name: str) -> Any:  # noqa: ANN401 - a route, whose type is FastAPI's own
    async def read_rendering(result: str, request: Request) -> Response:
        entry = await gallery.open(result, request.state.owner)
        rendering = entry.rendering(name)
        options = parse_parameters(rendering.options, request.query_params.multi_items())
        return await draw(request, gallery, entry, rendering, options)

    return read_rendering


def _by_name() -> dict[str, list[Rendering]]:
    """The renderings of all tasks, by file name."""
    found: dict[str, list[Rendering]] = {}
    for task in TASKS:
        for rendering in (*task.all_renderings, *evidence(task, task.all_renderings)):
            found.setdefault(rendering.name, []).append(rendering)
    return found
