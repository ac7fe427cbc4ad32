import pytest

from frontend.http import security_headers
from testbed.in_process import PNG, PREDICT

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def policy(response):
    parts = [part.split() for part in response.headers["content-security-policy"].split(";")]
    return {name: sources for name, *sources in parts}


@pytest.mark.parametrize(
    ("path", "caching"),
    [("/", "no-cache"), ("/errors", "no-cache"), ("/docs", "no-cache"), ("/static/app.js", "no-cache"),
     ("/static-offline-docs/swagger-ui.css", "no-cache"), ("/v1/models", "no-store"), ("/nowhere", "no-store"),
     ("/readyz", "no-store"), ("/v1/results/x", "no-store")],
)  # fmt: skip
async def test_every_answer_has_them(service, path, caching):
    response = await service.http.get(path)
    assert {name: response.headers[name] for name in EVERYWHERE} == EVERYWHERE
    assert response.headers.get_list("cache-control") == [caching]
    assert policy(response)["default-src"] == policy(response)["frame-ancestors"] == ["'none'"]
    assert "access-control-allow-origin" not in response.headers
    assert "server" not in response.headers


async def test_the_answer_for_a_defect_has_them_too(service):
    async def broken(*_):
        raise RuntimeError

    service.backend.infer = broken
    response = await service.http.post(PREDICT, content=PNG)
    assert response.status_code == 500
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_scripts_come_from_files_of_ours_only(service):
    for path in ("/", "/errors", "/docs"):
        response = await service.http.get(path)
        assert policy(response)["script-src"] == ["'self'"]
        assert "<script>" not in response.text
        assert " style=" not in response.text
        assert " onclick=" not in response.text
    assert policy(await service.http.get("/"))["style-src"] == ["'self'"]


async def test_a_file_that_did_not_change_is_not_sent_again(service):
    first = await service.http.get("/static/app.js")
    again = await service.http.get("/static/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


def test_they_are_made_once():
    assert all(isinstance(value, bytes) for pair in security_headers.ANSWER for value in pair)
