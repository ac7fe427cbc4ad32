"""What answers of several routes have in common."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response, StreamingResponse

from frontend.http.problems import PROBLEM_CONTENT
from frontend.http.shapes import Problem
from oncoserve.results.gallery import Entry, Gallery
from oncoserve.tasks.base import Parameters, Rendering

JSON = "application/json"


def send(document: Mapping[str, Any]) -> Response:
    """The answer that holds a document."""
    return Response(json.dumps(document), media_type=JSON)


async def draw(gallery: Gallery, entry: Entry, rendering: Rendering, options: Parameters) -> Response:
    """The answer that holds a rendering."""
    return StreamingResponse(await gallery.draw(entry, rendering, options), media_type=rendering.media_type)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's `responses` for errors of these statuses."""
    return {status: {"model": Problem, "description": "An error", "content": PROBLEM_CONTENT} for status in statuses}


def query(*kinds: type[Parameters]) -> list[dict[str, Any]]:
    """OpenAPI's `parameters` for all fields of these classes."""
    fields = {name: schema for kind in kinds for name, schema in kind.model_json_schema().get("properties", {}).items()}
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in fields.items()]
