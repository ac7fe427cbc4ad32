"""The shortcut and FastAPI's own router answer the same."""

import pytest

from frontend.http.direct import Shortcut
from oncoserve.errors import TooBusy
from testbed.fakes import FakeBackend, classifier
from testbed.in_process import PNG, PREDICT, Service

CHANGING = {"x-request-id", "server-timing", "content-length", "retry-after"}

REQUESTS = {
    "picture": ("POST", PREDICT, {"content": PNG}),
    "form": ("POST", PREDICT, {"files": {"image": ("a.png", PNG)}}),
    "overlay": ("POST", PREDICT, {"content": PNG, "headers": {"Accept": "image/png"}}),
    "unknown model": ("POST", PREDICT.replace("tiny", "other"), {"content": PNG}),
    "a name that needs escapes": ("POST", PREDICT.replace("tiny", "a%20%C3%A4%2Fb"), {"content": PNG}),
    "unknown parameter": ("POST", f"{PREDICT}?x=1", {"content": PNG}),
    "no form": ("POST", PREDICT, {"content": b"--x", "headers": {"Content-Type": "multipart/form-data"}}),
    "no picture": ("POST", PREDICT, {"content": b"text"}),
    "another media type": ("POST", PREDICT, {"content": PNG, "headers": {"Accept": "text/html"}}),
    "another method": ("PUT", PREDICT, {"content": PNG}),
    "a slash more": ("POST", f"{PREDICT}/", {"content": PNG}),
    "a longer address": ("POST", f"{PREDICT}/x", {"content": PNG}),
    "a line break": ("POST", f"{PREDICT}%0A", {"content": PNG}),
    "another address": ("GET", "/v1/models", {}),
}


@pytest.fixture
async def routed(tmp_path):
    running = Service(tmp_path / "routed", FakeBackend(classifier(saliency=(4, 4))))
    running.app.user_middleware = [each for each in running.app.user_middleware if each.cls is not Shortcut]
    async with running:
        yield running


@pytest.fixture
async def shortened(tmp_path):
    running = Service(tmp_path / "shortened", FakeBackend(classifier(saliency=(4, 4))))
    assert running.app.user_middleware[-1].cls is Shortcut
    async with running:
        yield running


def stable(answer):
    headers = {name: value for name, value in answer.headers.items() if name not in CHANGING}
    if answer.headers.get("content-type", "").endswith("json"):
        body = answer.json()
        return answer.status_code, headers, body.get("code"), body.get("label"), body.get("probabilities"), [*body]
    return answer.status_code, headers, answer.content[:8]  # a PNG tells further on when its result was made


@pytest.mark.parametrize("kind", REQUESTS)
async def test_answers_are_the_same(shortened, routed, kind):
    method, address, request = REQUESTS[kind]
    answers = [stable(await each.http.request(method, address, **request)) for each in (shortened, routed)]
    assert answers[0] == answers[1]


async def test_they_are_counted_under_the_same_route(shortened, routed):
    for each in (shortened, routed):
        await each.http.post(PREDICT, content=PNG)
        await each.http.post(PREDICT, content=b"text")
        counted = (await each.http.get("/metrics")).text
        for status in (200, 415):
            labels = f'method="POST",route="/v1/models/{{model}}/predict",status="{status}"'
            assert f"oncoserve_requests_total{{{labels}}} 1.0" in counted


async def test_what_is_unexpected_is_told_as_nothing_but_that(shortened, routed, monkeypatch):
    for each in (shortened, routed):
        monkeypatch.setattr(each.backend, "infer", lambda *_: 1 / 0)
        answer = await each.http.post(PREDICT, content=PNG)
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")


async def test_a_refusal_tells_when_to_come_again(shortened, routed, monkeypatch):
    def refuse(*_):
        raise TooBusy("tiny", 1, 1, 1.0, 1.0, 7)

    for each in (shortened, routed):
        monkeypatch.setattr(each.backend, "infer", refuse)
        answer = await each.http.post(PREDICT, content=PNG)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
