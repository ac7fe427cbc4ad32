"""HEAD and OPTIONS, which every address has."""

import re

import pytest

from testbed.fakes import FakeBackend, classifier
from testbed.in_process import PNG, PREDICT, Service, assert_problem

CHANGING = {"x-request-id", "server-timing"}


@pytest.fixture
async def filled(tmp_path):
    """A service with a sample and a result, whose document is `made`."""
    sample = tmp_path / "samples/tiny/a/b.png"
    sample.parent.mkdir(parents=True)
    sample.write_bytes(PNG)
    async with Service(tmp_path, FakeBackend(classifier(saliency=(4, 4)))) as running:
        running.made = (await running.http.post(PREDICT, content=PNG)).json()
        yield running


def addresses(service):
    """Every address that has GET, with names that there are."""
    names = {"model": "tiny", "version": "1", "result": service.made["id"], "job": "0" * 32, "path": "tiny/a/b.png",
             "layer": "picture", "level": "0", "tile": "0_0"}  # fmt: skip
    paths = service.app.openapi()["paths"]
    found = [re.sub(r"{(\w+).*?}", lambda part: names[part[1]], path) for path in paths if "get" in paths[path]]
    return [*found, "/docs", "/openapi.json", "/static/app.js", "/static-offline-docs/swagger-ui.css", "/nowhere"]


async def test_head_has_the_headers_of_get(filled):
    statuses = set()
    for path in addresses(filled):
        got, head = [await filled.http.request(method, path) for method in ("GET", "HEAD")]
        assert head.status_code == got.status_code, path
        assert head.content == b"", path
        if path == "/metrics":  # the requests before it change it
            continue
        theirs, ours = ({name: value for name, value in answer.headers.items() if name not in CHANGING}
                        for answer in (got, head))  # fmt: skip
        if got.status_code == 404:  # the id of the request is in the body
            assert ours.keys() == theirs.keys(), path
        else:
            assert ours == theirs, path
        statuses.add(got.status_code)
    assert statuses == {200, 404}


async def test_an_answer_that_is_known_in_advance_has_its_length(filled):
    head = await filled.http.head(filled.made["links"]["overlay"])
    assert head.headers["content-type"] == "image/png"
    assert int((await filled.http.head("/v1/samples/tiny/a/b.png")).headers["content-length"]) == len(PNG)


async def test_a_file_is_not_sent_again_to_who_asks_for_its_head(filled):
    etag = (await filled.http.head("/static/app.js")).headers["etag"]
    assert (await filled.http.head("/static/app.js", headers={"If-None-Match": etag})).status_code == 304


async def test_requests_are_counted_by_their_own_method(filled):
    await filled.http.head("/v1/models")
    text = (await filled.http.get("/metrics")).text
    assert 'oncoserve_requests_total{method="HEAD",route="/v1/models",status="200"} 1.0' in text
    assert 'oncoserve_requests_total{method="GET",route="/v1/models"' not in text


ALLOWED = {
    PREDICT: "OPTIONS, POST",
    "/v1/models": "GET, HEAD, OPTIONS",
    "/v1/jobs": "GET, HEAD, OPTIONS, POST",
    "/v1/results/" + "0" * 32: "DELETE, GET, HEAD, OPTIONS",
    "/v1/results/x/corrections": "OPTIONS, PUT",
    "/ask": "OPTIONS, POST",
    **dict.fromkeys(("/", "/docs", "/openapi.json", "/static/app.js", "/livez"), "GET, HEAD, OPTIONS"),
}


async def test_options_and_what_is_not_allowed_name_what_there_is(service):  # one service: it makes its document once
    for path, methods in ALLOWED.items():
        options = await service.http.options(path)
        assert (options.status_code, options.headers["allow"], options.content) == (204, methods, b""), path
        refused = await service.http.request("PATCH", path)
        assert_problem(refused, 405, "method_not_allowed")
        assert refused.headers["allow"] == methods, path


async def test_head_of_what_has_no_get(service):
    answer = await service.http.head(PREDICT)
    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "OPTIONS, POST", b"")


async def test_options_of_nothing(service):
    assert_problem(await service.http.options("/nowhere"), 404, "not_found")
