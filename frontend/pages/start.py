"""The page for people, the sample pictures it offers, and the list of errors."""

from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from frontend.http import caller_headers
from frontend.http.problems import translate
from frontend.pages.ask_form import AskForm
from frontend.pages.rendering import Pages
from frontend.routes.answers import problems
from frontend.routes.asking import ask as ask_model
from oncoserve.errors import PlatformError, SampleNotFound, all_errors
from oncoserve.prediction.catalogue import Catalogue
from oncoserve.prediction.predict import Predict
from oncoserve.settings import Settings

SUFFIXES = {".jpg", ".jpeg", ".png"}
SEE_OTHER = 303


def router(catalogue: Catalogue, use_case: Predict, settings: Settings, pages: Pages) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(tags=["page"])

    def context(**given: str) -> dict[str, Any]:
        return {
            "models": [served.card for served in catalogue.snapshot.models.values()],
            "precisions": {name: served.precision for name, served in catalogue.snapshot.models.items()},
            "problems": catalogue.snapshot.problems,
            "samples": _samples_by_model(settings.samples_dir, catalogue),
            "given": given,
        }

    @routes.get("/", summary="The page", response_class=Response)
    async def page(request: Request) -> Response:
        return pages.render(request, "index.html", **context())

    @routes.post("/ask", include_in_schema=False)
    async def ask(request: Request) -> Response:
        """What the page's form does in a browser without JavaScript; programs have /v1/models/{model}/predict."""
        form = None
        try:
            caller = caller_headers.read(request)
            async with AskForm.of(request) as form:
                served = catalogue.get(await form.model())
                answer = await ask_model(use_case, served, request, caller, partial(form.question, served))
        except (PlatformError, HTTPException) as error:
            return pages.problem(request, translate(error), "index.html", **context(**form.fields if form else {}))
        return RedirectResponse(f"/results/{answer.id}", SEE_OTHER)

    @routes.get("/errors", summary="Every error code, and what to do", response_class=Response)
    async def errors(request: Request) -> Response:
        return pages.render(request, "errors.html", errors=all_errors())

    @routes.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return pages.render(request, "docs.html")

    @routes.get("/v1/samples", summary="Sample pictures by model")
    async def list_samples() -> dict[str, list[str]]:
        return _samples_by_model(settings.samples_dir, catalogue)

    @routes.get(
        "/v1/samples/{path:path}", summary="A sample picture", response_class=Response, responses=problems(404, 422)
    )
    async def read_sample(path: str) -> Response:
        offered = {name for names in _samples(settings.samples_dir).values() for name in names}
        if path not in offered:  # only what was listed, so no path leads out of the folder
            raise SampleNotFound(path)
        return FileResponse(settings.samples_dir / path)

    return routes


def _samples_by_model(folder: Path, catalogue: Catalogue) -> dict[str, list[str]]:
    """As `_samples`, and what a model's card takes from another model."""
    found = _samples(folder)
    cards = [served.card for served in catalogue.snapshot.models.values()]
    return found | {card.name: found.get(card.samples, []) for card in cards if card.samples}


def _samples(folder: Path) -> dict[str, list[str]]:
    """Sample pictures by model, as paths below the folder: `<model>/<class>/<file>`."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*/**/*")):
        if path.suffix.lower() in SUFFIXES:
            name = path.relative_to(folder)
            found.setdefault(name.parts[0], []).append(name.as_posix())
    return found
