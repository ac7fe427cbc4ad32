"""The sample pictures: which there are, and each of them by its address, as the file that it is."""

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse

from frontend.routes.answers import problems
from oncoserve.errors import SampleNotFound
from oncoserve.prediction.catalogue import Catalogue

SUFFIXES = {".jpg", ".jpeg", ".png"}
OF_MODEL = "samples"  # the folder of a model that brings its own


class Samples:
    """Pictures to try the models with, by names like `<model>/<class>/<file>`.

    Args:
        folder: of those that were fetched, a folder for each model.
        repository: the model repository, whose models may bring some along.
        catalogue: the models that are served.
    """

    def __init__(self, folder: Path, repository: Path, catalogue: Catalogue) -> None:
        self._folder = folder
        self._repository = repository
        self._catalogue = catalogue

    def by_model(self) -> dict[str, list[str]]:
        """Names by model, with what a model's card takes from another model. What a model brings comes last."""
        found: dict[str, list[str]] = {}
        for name in self._files():
            found.setdefault(name.split("/")[0], []).append(name)
        cards = [served.card for served in self._catalogue.snapshot.models.values()]
        return found | {card.name: found.get(card.samples, []) for card in cards if card.samples}

    def find(self, name: str) -> Path:
        """The file of that name. Only what was listed is found, so no name leads out of the folders.

        Raises:
            SampleNotFound: there is none.
        """
        try:
            return self._files()[name]
        except KeyError:
            raise SampleNotFound(name) from None

    def _files(self) -> dict[str, Path]:
        """Every picture by its name."""
        folders = [(fetched.name, fetched) for fetched in sorted(self._folder.glob("*"))]
        folders += [(brought.parent.name, brought) for brought in sorted(self._repository.glob(f"*/{OF_MODEL}"))]
        return {
            f"{model}/{path.relative_to(folder).as_posix()}": path
            for model, folder in folders
            for path in sorted(folder.rglob("*"))
            if path.suffix.lower() in SUFFIXES and path.is_file()
        }


def router(samples: Samples) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(tags=["page"])

    @routes.get("/v1/samples", summary="Sample pictures by model")
    async def list_samples() -> dict[str, list[str]]:
        return samples.by_model()

    @routes.get("/samples/{path:path}", include_in_schema=False)  # shorter, to be typed
    @routes.get(
        "/v1/samples/{path:path}", summary="A sample picture", response_class=Response, responses=problems(404, 422)
    )
    async def read_sample(request: Request, path: str) -> Response:
        """The file as it was published or made, under its own name."""
        file = samples.find(path)
        answer = FileResponse(file, filename=file.name, stat_result=file.stat(), content_disposition_type="inline")
        if request.headers.get("If-None-Match") == answer.headers["ETag"]:
            return NotModifiedResponse(answer.headers)
        return answer

    return routes
