"""GET /ping and POST /invocations, as an endpoint of SageMaker asks its container.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

import asyncio
import json
import logging
import os
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from frontend.http import caller_headers
from frontend.http.links import shown
from frontend.http.negotiation import choose
from frontend.http.problems import problem, translate
from frontend.routes.answers import JSON, problems, send, unless_gone
from frontend.routes.asking import ask
from frontend.routes.uploads import parse_parameters, read_upload
from oncoserve.errors import AnswerTooLarge, InferenceUnavailable, InternalError, InvalidParameter, ShuttingDown
from oncoserve.jobs.sagemaker.answer_format import MAX_BYTES, MEDIA_TYPE, PROBLEM
from oncoserve.jobs.sagemaker.attributes import ATTRIBUTES, read_attributes
from oncoserve.prediction.catalogue import SERVER, Catalogue
from oncoserve.prediction.predict import Predict
from oncoserve.results.archive import DOCUMENT, PIECE_BYTES, pack
from oncoserve.results.entry import Entry
from oncoserve.results.gallery import Gallery
from oncoserve.runtime.draining import Draining
from oncoserve.storage.storage import Storage
from oncoserve.tasks.base import ServedModel
from oncoserve.tasks.parameters import PictureParameters

IN_MEMORY_BYTES: Final = 2**23  # of an archive; what is larger is put together on the disk

log = logging.getLogger(__name__)


class Invocations:
    """Answers an endpoint's requests.

    Args:
        catalogue: The models.
        use_case: Answers pictures.
        gallery: Draws what was stored.
        models: The only ones that are asked; empty means all.
        draining: Whether the process ends.
        folder: Where large archives are put together.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        use_case: Predict,
        gallery: Gallery,
        models: Sequence[str],
        draining: Draining,
        folder: Path,
    ) -> None:
        self._catalogue = catalogue
        self._use_case = use_case
        self._gallery = gallery
        self._models = frozenset(models)
        self._draining = draining
        self._folder = folder

    async def answer(self, request: Request) -> Response:
        """The document of a result, or the whole of it as an archive.

        Raises:
            ClientDisconnect: The caller hung up.
            PlatformError: There is none, and the answer was to be a document.
        """
        if choose(request.headers.get("accept", ""), [JSON, MEDIA_TYPE]) == JSON:
            entry = await self._ask(request)
            return send(shown(entry.document))
        try:
            entry = await self._ask(request)
            return _Archive(await unless_gone(request, self._pack(entry)))
        except ClientDisconnect:
            raise
        except asyncio.CancelledError:
            if not self._draining.active:
                raise
            if task := asyncio.current_task():  # what is left is to say so, as AnswerBeforeTheEnd does for the others
                task.uncancel()
            return _told(request, ShuttingDown())
        except Exception as error:  # noqa: BLE001 - what would be told with a status is told in the archive
            return _told(request, error)

    async def _pack(self, entry: Entry) -> IO[bytes]:
        """The result with all its files, piece by piece: it may be several times what fits beside a picture.

        Raises:
            AnswerTooLarge, and what `Gallery.draw` raises.
        """
        file: IO[bytes] = SpooledTemporaryFile(IN_MEMORY_BYTES, dir=str(self._folder))  # noqa: SIM115 - closed when sent
        try:
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr(DOCUMENT, json.dumps(dict(entry.document)))
                for name in entry.files.values():
                    with archive.open(name, "w") as member:
                        await self._draw(entry, name, member, file)
            await run_in_threadpool(file.seek, 0, os.SEEK_END)
        except BaseException:
            file.close()
            raise
        return file

    async def _draw(self, entry: Entry, name: str, member: IO[bytes], file: IO[bytes]) -> None:
        rendering = entry.rendering(name)
        with await self._gallery.draw(entry, rendering, rendering.options()) as drawing:
            async for piece in drawing.pieces():
                await run_in_threadpool(member.write, piece)
                if file.tell() > MAX_BYTES:
                    raise AnswerTooLarge(file.tell(), MAX_BYTES)

    async def _ask(self, request: Request) -> Entry:
        given = read_attributes(request.headers.get(ATTRIBUTES, ""))
        model = self._model([value for name, value in given if name == "model"])
        parameters = parse_parameters(model.task.parameters, [each for each in given if each[0] != "model"])
        caller = caller_headers.read(request)
        answer = await ask(self._use_case, model, request, caller, partial(_read, request, parameters))
        return answer.entry

    def _model(self, named: list[str]) -> ServedModel:
        now = self._catalogue.snapshot
        # With those that are not ready: while one of two is away, nobody who names none gets the other's answer.
        known = self._models or {*now.models, *now.problems} - {SERVER}
        if not named and not known:
            raise InferenceUnavailable
        if not named and len(known) == 1:
            named = [*known]
        if len(named) != 1:
            raise InvalidParameter(
                f"{ATTRIBUTES} has to name one model, as model=NAME; here are: {', '.join(sorted(known)) or 'none'}."
            )
        if self._models and named[0] not in self._models:
            raise InvalidParameter(f"This endpoint has no model {named[0][:64]!r}; it has: {', '.join(sorted(known))}.")
        return self._catalogue.get(named[0])

    def well(self) -> bool:
        """Whether every model of this endpoint answers, by the last look, which is a second old.

        Nobody is asked anew: a Triton that hangs would answer later than SageMaker waits.
        """
        now = self._catalogue.snapshot
        return all(map(self._catalogue.answers, self._models or now.models)) and (bool(self._models) or now.ready)


class _Archive(StreamingResponse):
    """Sends a file, and closes it.

    Args:
        file: An archive, at its end.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(_pieces(file), headers={"Content-Length": str(file.tell())}, media_type=MEDIA_TYPE)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        with self._file:
            await super().__call__(scope, receive, send)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(PIECE_BYTES):
        yield piece


def _told(request: Request, error: Exception) -> Response:
    """The problem as the answer, with status 200: of a failed request SageMaker keeps no body."""
    ours = translate(error)
    request.state.error_code = ours.code
    if isinstance(ours, InternalError):  # what raises it further gets this line from the middleware
        log.error("unexpected error", extra={"request_id": request.state.request_id}, exc_info=error)
    content = pack({PROBLEM: bytes(problem(ours, request.state.request_id).body)})
    return Response(content, media_type=MEDIA_TYPE)


async def _read(request: Request, parameters: PictureParameters) -> tuple[bytes, PictureParameters]:
    data, fields = await read_upload(request)
    if fields:
        raise InvalidParameter(f"Parameters are given in {ATTRIBUTES} here, not in a form.")
    return data, parameters


def router(invocations: Invocations, draining: Draining, storage: Storage) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(tags=["sagemaker"], include_in_schema=False)

    @routes.get("/ping", response_class=Response)
    async def ping() -> Response:
        """200 where the models answer, within the two seconds that SageMaker waits."""
        fine = not draining.active and storage.error is None and invocations.well()
        return Response(status_code=200 if fine else 503)

    @routes.post("/invocations", responses=problems(400, 406, 413, 415, 422, 503))
    async def invoke(request: Request) -> Response:
        """One picture as the body, model and parameters in the header; `Accept: application/zip` for all of it."""
        return await invocations.answer(request)

    return routes
