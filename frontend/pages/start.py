"""The page for people, and the list of errors."""

from functools import partial
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from frontend.http import caller_headers
from frontend.http.links import root_of
from frontend.http.problems import translate
from frontend.pages.ask_form import AskForm
from frontend.pages.rendering import Pages
from frontend.pages.samples import Samples
from frontend.routes.asking import ask as ask_model
from oncoserve.errors import PlatformError, all_errors
from oncoserve.prediction.catalogue import Catalogue
from oncoserve.prediction.predict import Predict

SEE_OTHER = 303


def router(catalogue: Catalogue, use_case: Predict, samples: Samples, pages: Pages) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(tags=["page"])

    def context(**given: str) -> dict[str, Any]:
        return {
            "models": [served.card for served in catalogue.snapshot.models.values()],
            "versions": {name: served.version for name, served in catalogue.snapshot.models.items()},
            "precisions": {name: served.precision for name, served in catalogue.snapshot.models.items()},
            "problems": catalogue.snapshot.problems,
            "samples": samples.by_model(),
            "given": given,
        }

    @routes.get("/", summary="The page", response_class=Response)
    async def page(request: Request) -> Response:
        return pages.render(request, "index.html", **context(model=request.query_params.get("model", "")))

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
        return RedirectResponse(f"{root_of(request.scope)}/results/{answer.id}", SEE_OTHER)

    @routes.get("/errors", summary="Every error code, and what to do", response_class=Response)
    async def errors(request: Request) -> Response:
        return pages.render(request, "errors.html", errors=all_errors())

    @routes.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return pages.render(request, "docs.html")

    return routes
