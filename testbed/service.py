"""The application over HTTP with the stand-in for Triton."""

import httpx

from frontend.app import create_app
from frontend.http.shapes import Problem
from oncoserve.settings import Settings
from testbed.fakes import card, write_card
from testbed.pictures import encoded, quarters

PREDICT = "/v1/models/tiny/predict"
PNG = encoded(quarters())


class Service:
    def __init__(self, tmp_path, backend, draining=None, **settings):
        self.backend = backend
        repository = tmp_path / "models"
        for each in backend.configurations.values():
            write_card(repository, card(each.name, len(each.output("probabilities").dims) * 3, each.output("saliency")))
        values = {
            "model_repository": repository,
            "results_dir": tmp_path / "results",
            "samples_dir": tmp_path / "samples",
        }
        self.settings = Settings(**values | settings)
        self.app = create_app(self.settings, backend, draining)

    async def __aenter__(self):
        self._lifespan = self.app.router.lifespan_context(self.app)
        await self._lifespan.__aenter__()
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://oncoserve")
        return self

    async def __aexit__(self, *error):
        await self.http.aclose()
        await self._lifespan.__aexit__(*error)


def assert_problem(response, status, code):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate(response.json())
    assert (problem.status, problem.code, problem.type) == (status, code, f"/errors#{code}")
    assert problem.request_id == response.headers["x-request-id"]
    return problem
