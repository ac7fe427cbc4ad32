"""The page for people, the sample pictures it offers, and the list of errors."""

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.templating import Jinja2Templates
from starlette.responses import FileResponse, Response

from frontend import NOTICE, __version__
from frontend.catalogue import Catalogue
from frontend.errors import SampleNotFound, all_errors
from frontend.routes.answers import problems
from frontend.settings import Settings

TEMPLATES = Path(__file__).parent.parent / "templates"
SUFFIXES = {".jpg", ".jpeg", ".png"}


def router(catalogue: Catalogue, settings: Settings) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(tags=["page"])
    templates = Jinja2Templates(TEMPLATES)

    @routes.get("/", summary="The page", response_class=Response)
    async def page(request: Request) -> Response:
        context = {
            "models": [served.card for served in catalogue.snapshot.models.values()],
            "precisions": {name: served.precision for name, served in catalogue.snapshot.models.items()},
            "problems": catalogue.snapshot.problems,
            "samples": _samples_by_model(settings.samples_dir, catalogue),
            "max_upload_bytes": settings.max_upload_bytes,
            "max_image_pixels": settings.max_image_pixels,
            "notice": NOTICE,
            "version": __version__,
            "keys": settings.api_keys_file is not None,
        }
        return templates.TemplateResponse(request, "index.html", context)

    @routes.get("/errors", summary="Every error code, and what to do", response_class=Response)
    async def errors(request: Request) -> Response:
        context = {"errors": all_errors(), "notice": NOTICE, "keys": settings.api_keys_file is not None}
        return templates.TemplateResponse(request, "errors.html", context)

    @routes.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return templates.TemplateResponse(request, "docs.html")

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
