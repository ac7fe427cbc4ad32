"""What browsers let pages of other origins do, by what this service answers."""

import pytest

from frontend.http import cross_origin
from testbed.fakes import FakeBackend, classifier
from testbed.in_process import PNG, PREDICT, Service

PAGE, STRANGER = "https://viewer.example", "https://elsewhere.example"
# https://fetch.spec.whatwg.org/#cors-safelisted-response-header-name
READABLE = {"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"}
FOR_BROWSERS = {"content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy", "vary",
                "cross-origin-opener-policy", "cross-origin-resource-policy", "access-control-allow-origin",
                "access-control-expose-headers", "connection"}  # fmt: skip


@pytest.fixture
async def shared(tmp_path):
    backend = FakeBackend(classifier(saliency=(4, 4)))
    async with Service(tmp_path, backend, cors_origins=f"https://a.example,{PAGE}", max_upload_bytes=10_000) as running:
        yield running


def documented(service):
    """Every header that the OpenAPI document lets a caller send."""
    operations = [each for path in service.app.openapi()["paths"].values() for each in path.values()]
    return {each["name"] for one in operations for each in one.get("parameters", []) if each["in"] == "header"}


async def ask(service, origin, path=PREDICT, method="POST", sent="", **more):
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if sent:
        asked["Access-Control-Request-Headers"] = sent
    return await service.http.options(path, headers=asked | more)


async def test_a_page_may_send_every_header_that_is_documented(shared):
    names = documented(shared)
    assert {"Prefer", "Priority", "Request-Timeout"} <= names
    for name in {*names, "traceparent", "tracestate", "baggage", "X-API-Key", "X-Request-ID", "Content-Type"}:
        answer = await ask(shared, PAGE, sent=name.lower())
        assert answer.status_code == 200, name
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert name.lower() in answer.headers["access-control-allow-headers"].lower().split(", ")
    together = ",".join(sorted(name.lower() for name in names))  # as browsers write it
    assert (await ask(shared, PAGE, sent=together)).status_code == 200
    assert (await ask(shared, PAGE, sent="x-unknown")).status_code == 400


async def test_a_page_may_use_every_method_that_there_is(shared):
    methods = {method.upper() for path in shared.app.openapi()["paths"].values() for method in path}
    for method in methods | {"HEAD"}:
        assert (await ask(shared, PAGE, method=method)).status_code == 200, method
    assert (await ask(shared, PAGE, method="PATCH")).status_code == 400


async def test_a_named_page_may_ask_a_private_network_and_no_other(shared):
    asked = {"Access-Control-Request-Private-Network": "true"}
    assert (await ask(shared, PAGE, **asked)).headers["access-control-allow-private-network"] == "true"
    refused = await ask(shared, STRANGER, **asked)
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers


async def answers(service, origin):
    """One of each kind, errors before and after the body is read among them."""
    headers = {"Origin": origin}
    made = (await service.http.post(PREDICT, content=PNG)).json()
    yield await service.http.post(PREDICT, content=PNG, headers=headers)
    yield await service.http.post(PREDICT, content=PNG, headers=headers | {"Prefer": "respond-async"})
    yield await service.http.get(made["links"]["overlay"], headers=headers)
    yield await service.http.head(made["links"]["self"], headers=headers)
    yield await service.http.get("/static/app.js", headers=headers)
    yield await service.http.post(PREDICT, content=b"", headers=headers)
    yield await service.http.post(PREDICT, content=bytes(20_000), headers=headers)
    yield await service.http.get("/nowhere", headers=headers)
    yield await service.http.delete(PREDICT, headers=headers)
    yield await service.http.options(PREDICT, headers=headers)
    yield await service.http.get("/v1/results/" + "0" * 32, headers=headers)

    async def broken(*_):
        raise RuntimeError

    service.backend.infer = broken
    yield await service.http.post(PREDICT, content=PNG[:-1], headers=headers)
    yield await service.http.post(PREDICT + "?x=1", content=PNG, headers=headers)


async def test_a_named_page_may_read_every_answer_and_all_that_it_says(shared):
    statuses = set()
    async for answer in answers(shared, PAGE):
        statuses.add(answer.status_code)
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers.get_list("cross-origin-resource-policy") == ["cross-origin"]
        assert "Origin" in answer.headers["vary"]
        assert "access-control-allow-credentials" not in answer.headers
        exposed = {name.lower() for name in answer.headers["access-control-expose-headers"].split(", ")}
        assert answer.headers.keys() - exposed - READABLE - FOR_BROWSERS == set()
    assert statuses == {200, 202, 204, 400, 404, 405, 413, 422, 500}


async def test_other_pages_may_read_and_show_nothing(shared):
    async for answer in answers(shared, STRANGER):
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers.get_list("cross-origin-resource-policy") == ["same-origin"]
        assert "Origin" in answer.headers["vary"]  # a cache keeps it for this page alone


async def test_the_answer_for_a_defect_and_for_too_many_can_be_read(tmp_path):
    backend = FakeBackend(classifier(saliency=(4, 4)))
    async with Service(tmp_path, backend, cors_origins=PAGE, rate_limit_per_min=1) as service:

        async def broken(*_):
            raise RuntimeError

        backend.infer = broken
        for status in (500, 429):
            answer = await service.http.post(PREDICT, content=PNG, headers={"Origin": PAGE})
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == PAGE
        assert "retry-after" in answer.headers


async def test_where_no_origin_is_named_nothing_is_shared(service):
    assert "access-control-allow-origin" not in (await ask(service, PAGE)).headers
    answer = await service.http.get("/v1/models", headers={"Origin": PAGE})
    assert "vary" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_each_header_is_named_once():
    for names in (cross_origin.SENT, cross_origin.READ):
        assert len({name.lower() for name in names}) == len(names)
