"""Templates, and what every page says."""

from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.templating import Jinja2Templates
from starlette.responses import Response

from frontend.http.links import root_of
from oncoserve import NOTICE, __version__
from oncoserve.errors import PlatformError
from oncoserve.settings import Settings

TEMPLATES = Path(__file__).parent / "templates"


class Pages:
    """Renders the templates.

    Args:
        settings: limits that pages state.
        static: base address of the static files.
    """

    def __init__(self, settings: Settings, static: str) -> None:
        self.keys = settings.api_keys_file is not None
        self._static = static
        self._templates = Jinja2Templates(TEMPLATES)
        self._templates.env.globals.update(
            notice=NOTICE,
            version=__version__,
            keys=self.keys,
            max_upload_bytes=settings.max_upload_bytes,
            max_image_pixels=settings.max_image_pixels,
            max_job_images=settings.max_job_images,
        )

    def render(self, request: Request, name: str, /, **context: Any) -> Response:  # noqa: ANN401 - as Jinja has it
        """The page made from a template."""
        root = root_of(request.scope)
        own = {"root": root, "static": f"{root}{self._static}"}
        return self._templates.TemplateResponse(request, name, context | own)

    def problem(self, request: Request, error: PlatformError, name: str, /, **context: Any) -> Response:  # noqa: ANN401
        """A page that says what went wrong and what to do, with the error's status."""
        request.state.error_code = error.code
        page = self.render(request, name, problem=error, request_id=request.state.request_id, **context)
        page.status_code = error.status
        if error.retry_after_s is not None:
            page.headers["Retry-After"] = str(error.retry_after_s)
        return page
