"""POST /v1/models/{model}/predict, and the same of one of its versions."""

from dataclasses import replace
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from frontend.http import caller_headers
from frontend.http.direct import DirectRoute
from frontend.http.links import MODELS, root_of, shown
from frontend.http.negotiation import choose
from frontend.http.shapes.job_shapes import JobShape
from frontend.http.shapes.result_shapes import Result
from frontend.routes.answers import JSON, draw, problems, query, send
from frontend.routes.asking import ask, read_question
from frontend.routes.jobs import accepted, prefers_async
from oncoserve.jobs.intake.submission import Submission
from oncoserve.jobs.service import Jobs
from oncoserve.prediction.catalogue import Catalogue
from oncoserve.prediction.predict import Predict
from oncoserve.results.gallery import Gallery
from oncoserve.tasks import TASKS
from oncoserve.tasks.base import ServedModel

PNG, GEOJSON = "image/png", "application/geo+json"
PICTURE = {"type": "string", "format": "binary"}

REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "required": ["image"], "properties": {"image": PICTURE}},
        },
        "image/png": {"schema": PICTURE},
        "image/jpeg": {"schema": PICTURE},
        "application/dicom": {"schema": PICTURE},
        "application/octet-stream": {"schema": PICTURE},
    },
}

OPERATION: dict[str, Any] = {
    "response_model": Result,
    "responses": {
        200: {
            "content": {PNG: {"schema": PICTURE}, GEOJSON: {}},
            "description": "The result, or what Accept names",
        },
        202: {"model": JobShape, "description": "A job, for `Prefer: respond-async`"},
        **problems(400, 404, 406, 408, 413, 415, 422, 431, 500, 502, 503, 504),
    },
    "openapi_extra": {
        "requestBody": REQUEST_BODY,
        "parameters": [*query(*(task.parameters for task in TASKS)), *caller_headers.HEADERS, caller_headers.PREFER],
    },
}


def router(catalogue: Catalogue, use_case: Predict, gallery: Gallery, jobs: Jobs) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(tags=["predict"], route_class=DirectRoute)

    async def _later(served: ServedModel, request: Request) -> Response:
        await jobs.check(request.state.owner)
        data, parameters = await read_question(served, request)

        async def read() -> bytes:
            return data

        job = await jobs.submit(request.state.owner, served.name, parameters.asked(), [Submission("", read)])
        response = await accepted(jobs, job, root_of(request.scope))
        response.headers["Preference-Applied"] = "respond-async"
        return response

    @routes.post(f"{MODELS}/{{model}}/predict", summary="Ask a model about a picture", **OPERATION)
    async def predict(model: str, request: Request) -> Response:
        """Send a PNG, JPEG or DICOM file as multipart field `image` or as the body.

        The same picture again costs no inference.

        With `Accept: image/png` the answer is the overlay, with `application/geo+json` the polygons, where the model
        has them. With `Prefer: respond-async` the answer is a job with this one picture.
        """
        served = catalogue.get(model, request.path_params.get("version"))
        if prefers_async(request.headers) and "version" not in request.path_params:
            return await _later(served, request)
        # Of several renderings of one type the first is the one that a type alone asks for.
        renderings = {each.media_type: each for each in reversed(served.task.renderings(served.card))}
        media_type = choose(request.headers.get("accept", ""), [JSON, *renderings])
        timings = request.state.timings
        caller = replace(caller_headers.read(request), any_version="version" not in request.path_params)
        answer = await ask(use_case, served, request, caller, partial(read_question, served, request))
        document = shown(answer.entry.document, root_of(request.scope))
        if media_type == JSON:
            response, address = send(document), document["links"]["self"]
        else:
            rendering = renderings[media_type]
            response = await draw(request, gallery, answer.entry, rendering, rendering.options())
            address = document["links"][rendering.kind]
            timings.lap("render")
        response.headers["Cache-Status"] = "oncoserve; hit" if answer.cached else "oncoserve; fwd=miss; stored"
        response.headers["Content-Location"] = address
        return response

    @routes.post(f"{MODELS}/{{model}}/versions/{{version}}/predict", summary="Ask one version of a model", **OPERATION)
    async def predict_version(model: str, version: str, request: Request) -> Response:
        """As without a version, where the newest answers; the list is in `GET /v1/models/{model}`."""
        del version  # read from the path
        return await predict(model, request)

    return routes
