"""GET /ping and POST /invocations, as an endpoint of SageMaker asks its container.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from frontend.http import caller_headers
from frontend.http.links import shown
from frontend.http.negotiation import choose
from frontend.http.problems import problem, translate
from frontend.routes.answers import JSON, problems, send
from frontend.routes.asking import ask
from frontend.routes.uploads import parse_parameters, read_upload
from oncoserve.errors import InvalidParameter
from oncoserve.prediction.catalogue import Catalogue
from oncoserve.prediction.predict import Predict
from oncoserve.results.archive import DOCUMENT, pack
from oncoserve.results.gallery import Entry, Gallery
from oncoserve.runtime.disk import Disk
from oncoserve.runtime.draining import Draining
from oncoserve.tasks.base import Parameters, ServedModel

ZIP: Final = "application/zip"
PROBLEM: Final = "problem.json"
ATTRIBUTES: Final = "X-Amzn-SageMaker-Custom-Attributes"


class Invocations:
    """Answers an endpoint's requests.

    Args:
        catalogue: The models.
        use_case: Answers pictures.
        gallery: Draws what was stored.
        models: The only ones that are asked; empty means all.
    """

    def __init__(self, catalogue: Catalogue, use_case: Predict, gallery: Gallery, models: Sequence[str]) -> None:
        self._catalogue = catalogue
        self._use_case = use_case
        self._gallery = gallery
        self._models = frozenset(models)

    async def answer(self, request: Request) -> Response:
        """The document of a result, or the whole of it as an archive.

        Raises:
            ClientDisconnect: The caller hung up.
            PlatformError: There is none, and the answer was to be a document.
        """
        if choose(request.headers.get("accept", ""), [JSON, ZIP]) == JSON:
            entry, _ = await self._ask(request)
            return send(shown(entry.document))
        return Response(await self._archive(request), media_type=ZIP)

    async def _archive(self, request: Request) -> bytes:
        """The result with all its files, or the problem: of a failed request SageMaker keeps no body."""
        try:
            entry, model = await self._ask(request)
            files = {name: await self._drawn(entry, name) for name in model.files.values()}
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - what would be told with a status is told in the archive
            ours = translate(error)
            request.state.error_code = ours.code
            return pack({PROBLEM: bytes(problem(ours, request.state.request_id).body)})
        content = {DOCUMENT: json.dumps(dict(entry.document)).encode(), **files}
        return await run_in_threadpool(pack, content)

    async def _drawn(self, entry: Entry, name: str) -> bytes:
        rendering = entry.rendering(name)
        with await self._gallery.draw(entry, rendering, rendering.options()) as drawing:
            return b"".join([piece async for piece in drawing.pieces()])

    async def _ask(self, request: Request) -> tuple[Entry, ServedModel]:
        given = attributes(request.headers.get(ATTRIBUTES, ""))
        model = self._model([value for name, value in given if name == "model"])
        parameters = parse_parameters(model.task.parameters, [each for each in given if each[0] != "model"])
        caller = caller_headers.read(request)
        answer = await ask(self._use_case, model, request, caller, partial(_read, request, parameters))
        return answer.entry, model

    def _model(self, named: list[str]) -> ServedModel:
        served = self._models or frozenset(self._catalogue.snapshot.models)
        if not named and len(served) == 1:
            named = [*served]
        if len(named) != 1:
            raise InvalidParameter(
                f"{ATTRIBUTES} has to name one model, as model=NAME; here are: {', '.join(sorted(served)) or 'none'}."
            )
        if self._models and named[0] not in self._models:
            raise InvalidParameter(
                f"This endpoint has no model {named[0][:64]!r}; it has: {', '.join(sorted(served))}."
            )
        return self._catalogue.get(named[0])

    async def well(self) -> bool:
        """Whether every model of this endpoint answers."""
        snapshot = await self._catalogue.refresh()
        return snapshot.ready and all(map(self._catalogue.answers, self._models or snapshot.models))


async def _read(request: Request, parameters: Parameters) -> tuple[bytes, Parameters]:
    data, fields = await read_upload(request)
    if fields:
        raise InvalidParameter(f"Parameters are given in {ATTRIBUTES} here, not in a form.")
    return data, parameters


def attributes(text: str) -> list[tuple[str, str]]:
    """What the header says, such as "model=brain_tumour,mm_per_px=0.5".

    Raises:
        InvalidParameter: It is no list of names with a value each.
    """
    found = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, separator, value = part.partition("=")
        if not separator or not name.strip():
            raise InvalidParameter(f"{ATTRIBUTES} has {part[:64]!r}; it is a list such as model=NAME,mm_per_px=0.5.")
        found.append((name.strip(), value.strip()))
    return found


def router(invocations: Invocations, draining: Draining, disk: Disk) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(tags=["sagemaker"], include_in_schema=False)

    @routes.get("/ping", response_class=Response)
    async def ping() -> Response:
        """200 where the models answer, within the two seconds that SageMaker waits."""
        fine = not draining.active and disk.error is None and await invocations.well()
        return Response(status_code=200 if fine else 503)

    @routes.post("/invocations", responses=problems(400, 406, 413, 415, 422, 503))
    async def invoke(request: Request) -> Response:
        """One picture as the body, model and parameters in the header; `Accept: application/zip` for the whole result."""
        return await invocations.answer(request)

    return routes
