"""The application in this process, asked over HTTP without a socket, with the stand-in for Triton."""

from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from frontend.app import create_app
from frontend.http.shapes.base_shapes import Problem
from oncoserve.runtime.draining import Draining
from oncoserve.settings import Settings
from testbed.encoded_pictures import encoded, quarters
from testbed.failures import UnexpectedAnswer
from testbed.fakes import FakeBackend, card, write_card

PREDICT: Final = "/v1/models/tiny/predict"
PNG: Final = encoded(quarters())
_PROBLEM: Final = "application/problem+json"


class Service:
    """The application; an asynchronous context manager that starts it and ends it.

    Args:
        folder: Gets the models' cards and the results.
        backend: Stands for Triton; each of its models gets a card that fits.
        draining: Told of the end; left out, nobody tells.
        settings: Other fields of `Settings` than the usual ones.

    Attributes:
        settings: The application's.
        app: The application.
        http: A client of it, while it runs.
    """

    http: httpx.AsyncClient

    def __init__(
        self, folder: Path, backend: FakeBackend, draining: Draining | None = None, **settings: object
    ) -> None:
        self.backend = backend
        repository = folder / "models"
        for each in backend.configurations.values():
            (classes,) = next(output.dims for output in each.outputs if output.name == "probabilities")
            write_card(repository, card(each.name, classes, each.output("saliency")))
        values: dict[str, Any] = {
            "model_repository": repository,
            "results_dir": folder / "results",
            "samples_dir": folder / "samples",
        }
        self.settings = Settings(**values | settings)
        self.app = create_app(self.settings, backend, draining)

    async def __aenter__(self) -> Self:
        self._lifespan = self.app.router.lifespan_context(self.app)
        await self._lifespan.__aenter__()
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://oncoserve")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()
        await self._lifespan.__aexit__(kind, error, trace)


def assert_problem(response: httpx.Response, status: int, code: str) -> Problem:
    """Insist on a problem document.

    Args:
        response: What the application answered.
        status: The status that it has to have.
        code: The stable code that it has to have.

    Returns:
        The document.

    Raises:
        UnexpectedAnswer: It is anything else.
    """
    kind = response.headers.get("content-type")
    if (response.status_code, kind) != (status, _PROBLEM):
        raise UnexpectedAnswer(f"expected {status} {code}, got {response.status_code} {kind}: {response.text}")
    problem = Problem.model_validate(response.json())
    got = (problem.status, problem.code, problem.type, problem.request_id)
    expected = (status, code, f"/errors#{code}", response.headers["x-request-id"])
    if got != expected:
        raise UnexpectedAnswer(f"expected {expected}, got {got}: {response.text}")
    return problem
