"""What answers of several routes have in common."""

import json
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from frontend.http.caller_headers import while_connected
from frontend.http.problems import PROBLEM_CONTENT
from frontend.http.shapes.base_shapes import Problem
from oncoserve.results.drawing import Drawing
from oncoserve.results.entry import Entry
from oncoserve.results.evidence.evidence_renderings import DICOM
from oncoserve.results.gallery import Gallery
from oncoserve.tasks.base import Rendering
from oncoserve.tasks.parameters import Parameters

JSON = "application/json"

T = TypeVar("T")


def send(document: Mapping[str, Any]) -> Response:
    """The answer that holds a document."""
    return Response(json.dumps(document), media_type=JSON)


async def draw(request: Request, gallery: Gallery, entry: Entry, rendering: Rendering, options: Parameters) -> Response:
    """The answer that holds a rendering; when the caller hangs up, what has not begun is not done.

    Raises:
        ClientDisconnect: it hung up.
        PlatformError: see `Gallery.draw`.
    """
    drawing = await unless_gone(request, gallery.draw(entry, rendering, options))
    response = _Drawn(drawing, rendering.media_type)
    if rendering.media_type == DICOM:  # which no browser shows, and which is kept under a name that says nothing
        name = f"{entry.document['id']}-{rendering.name}"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """What comes of work for a request without a body, which ends when the caller hangs up.

    Raises:
        ClientDisconnect: it hung up.
    """
    async with while_connected(request) as listen:
        listen()
        return await work


class _Drawn(StreamingResponse):
    """Holds the drawing's memory until it is read, or nobody reads it any more."""

    def __init__(self, drawing: Drawing, media_type: str) -> None:
        headers = {} if drawing.size is None else {"Content-Length": str(drawing.size)}
        super().__init__(drawing.pieces(), headers=headers, media_type=media_type)
        self._drawing = drawing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        with self._drawing:
            await super().__call__(scope, receive, send)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's `responses` for errors of these statuses."""
    return {status: {"model": Problem, "description": "An error", "content": PROBLEM_CONTENT} for status in statuses}


def query(*kinds: type[Parameters]) -> list[dict[str, Any]]:
    """OpenAPI's `parameters` for all fields of these classes."""
    fields = {name: schema for kind in kinds for name, schema in kind.model_json_schema().get("properties", {}).items()}
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in fields.items()]
