"""Pages of results and jobs that have an address of their own."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from frontend.http.links import RESULTS, root_of, shown
from frontend.pages.rendering import Pages
from frontend.routes.answers import problems
from oncoserve.errors import PlatformError
from oncoserve.prediction.catalogue import Catalogue
from oncoserve.results.comparison import Comparison
from oncoserve.results.gallery import Gallery
from oncoserve.results.maker import maker
from oncoserve.results.report import describe
from oncoserve.tasks.card import Card

HTML: dict[str, Any] = {"text/html": {}}


def router(gallery: Gallery, catalogue: Catalogue, pages: Pages) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(tags=["page"])

    async def report(request: Request, result: str) -> Response:
        document = shown(await gallery.document(result, request.state.owner), root_of(request.scope))
        card = card_of(document, catalogue)
        comparison = await _compared(gallery, document["id"], card, request.state.owner)
        words = {"report": describe(document, card), "comparison": comparison}
        return pages.render(request, "result.html", result=document, card=card, **words)

    @routes.get(
        "/results/{result}",
        summary="A result as a page, fit to be printed",
        response_class=Response,
        responses={status: {"content": HTML, "description": "A page that says why"} for status in (404, 503)},
    )
    async def result_page(result: str, request: Request) -> Response:
        """Where keys are needed, an empty page whose script fetches the content with the key: links carry none."""
        if pages.keys:
            return pages.render(request, "locked.html", source=f"{root_of(request.scope)}{RESULTS}/{result}/page.html")
        try:
            return await report(request, result)
        except PlatformError as error:
            return pages.problem(request, error, "problem.html")

    @routes.get(
        f"{RESULTS}/{{result}}/page.html",
        summary="A result as a page",
        response_class=Response,
        responses={200: {"content": HTML, "description": "The page"}, **problems(404, 503)},
    )
    async def result_page_with_key(result: str, request: Request) -> Response:
        return await report(request, result)

    @routes.get("/jobs", summary="The jobs, as a page", response_class=Response)
    async def jobs_page(request: Request) -> Response:
        return pages.render(request, "jobs.html")

    @routes.get("/jobs/{job}", summary="A job, as a page", response_class=Response)
    async def job_page(job: str, request: Request) -> Response:
        return pages.render(request, "job.html", job=job)

    return routes


def card_of(document: Mapping[str, Any], catalogue: Catalogue) -> Card | None:
    """The card by which a result is drawn; None where no served version can draw it."""
    try:
        return maker(document, catalogue.get).card
    except PlatformError:
        return None


async def _compared(gallery: Gallery, result: str, card: Card | None, owner: str | None) -> Comparison | None:
    """With the other model's result, where the card names one and it is served; the page does without, too."""
    if card is None or card.compare_with is None:
        return None
    try:
        return await gallery.compare(result, owner)
    except PlatformError:
        return None
