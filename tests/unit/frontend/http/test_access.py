"""Keys, limits and owners over HTTP."""

import asyncio

import pytest

from frontend.app import create_app
from oncoserve.keys import KeyFileError, new_key
from oncoserve.settings import Settings
from testbed.fakes import FakeBackend, classifier
from testbed.in_process import PNG, PREDICT, Service, assert_problem


@pytest.fixture
def secrets(tmp_path):
    """Two keys; the second may ask four times a minute."""
    made = [new_key("ward"), new_key("lab", 4)]
    (tmp_path / "keys").write_text("".join(f"{key}\n" for _, key in made))
    return [{"X-API-Key": secret} for secret, _ in made]


@pytest.fixture
async def locked(tmp_path, secrets):
    backend = FakeBackend(classifier(saliency=(4, 4)))
    async with Service(tmp_path, backend, api_keys_file=tmp_path / "keys", cors_origins="https://a.example") as running:
        yield running


CLOSED = [("POST", PREDICT), ("GET", "/v1/models"), ("GET", "/v1/models/tiny"), ("GET", "/v1/results/" + "0" * 32),
          ("DELETE", "/v1/results/" + "0" * 32),
          ("GET", "/metrics"), ("GET", "/v1"), ("GET", "/nowhere"), ("PUT", "/v1/models"),
          ("HEAD", "/v1/models")]  # fmt: skip
OPEN = {"/", "/errors", "/livez", "/readyz", "/jobs", "/jobs/{job}", "/results/{result}",
        "/v1/samples", "/v1/samples/{path}"}  # fmt: skip


@pytest.mark.parametrize("given", [{}, {"X-API-Key": ""}, {"X-API-Key": "wrong"}, {"X-API-Key": "ward"},
                                   {"Authorization": "Bearer x"}, {"X-API-Key": "ä".encode()}], ids=str)  # fmt: skip
async def test_without_a_valid_key_nothing_is_told(locked, given):
    for method, path in CLOSED:
        response = await locked.http.request(method, path, headers=given)
        assert response.status_code == 401, path
        assert response.headers["www-authenticate"] == 'ApiKey realm="oncoserve"'
        if method != "HEAD":
            assert_problem(response, 401, "unauthorised")
    assert locked.backend.calls == []


async def test_every_route_of_the_api_is_among_the_closed_ones(locked):
    paths = (await locked.http.get("/openapi.json")).json()["paths"]
    for path in paths:
        response = await locked.http.get(path)
        assert (response.status_code == 401) is not (path in OPEN), path


async def test_what_a_browser_and_an_orchestrator_need_is_open(locked):
    for path in ("/", "/errors", "/docs", "/openapi.json", "/livez", "/readyz", "/static/app.js",
                 "/static-offline-docs/swagger-ui.css"):  # fmt: skip
        assert (await locked.http.get(path)).status_code == 200, path


async def test_the_body_of_a_stranger_is_not_read(locked):
    read = []

    async def body():
        read.append(1)
        yield PNG

    assert (await locked.http.post(PREDICT, content=body())).status_code == 401
    assert read == []


async def test_a_result_is_there_only_for_the_key_that_made_it(locked, secrets):
    ward, lab = secrets
    result = (await locked.http.post(PREDICT, content=PNG, headers=ward)).json()
    for link in ("self", "overlay"):
        path = result["links"][link]
        assert (await locked.http.get(path, headers=ward)).status_code == 200
        assert_problem(await locked.http.get(path, headers=lab), 404, "result_not_found")
    assert_problem(await locked.http.delete(result["links"]["self"], headers=lab), 404, "result_not_found")
    assert (await locked.http.get(result["links"]["self"], headers=ward)).json() == result


async def test_the_same_upload_by_another_key_does_not_tell_that_it_was_there(locked, secrets):
    first, again, other = [
        await locked.http.post(PREDICT, content=PNG, headers=headers)
        for headers in (secrets[0], secrets[0], secrets[1])
    ]
    assert "hit" in again.headers["cache-status"]
    assert other.headers["cache-status"] == first.headers["cache-status"]
    assert len(locked.backend.calls) == 2
    assert other.json()["provenance"]["created"] != first.json()["provenance"]["created"]


async def test_results_made_without_keys_are_closed_to_keys(tmp_path, locked, secrets):
    async with Service(tmp_path, FakeBackend(classifier(saliency=(4, 4)))) as free:
        result = (await free.http.post(PREDICT, content=PNG)).json()["links"]["self"]
        assert (await free.http.get(result)).status_code == 200
    assert_problem(await locked.http.get(result, headers=secrets[0]), 404, "result_not_found")


async def test_a_key_has_its_own_limit_and_others_go_on(locked, secrets):
    ward, lab = secrets
    statuses = [(await locked.http.get("/v1/models", headers=lab)).status_code for _ in range(5)]
    assert statuses == [200] * 4 + [429]
    refused = await locked.http.post(PREDICT, content=PNG, headers=lab)
    detail = assert_problem(refused, 429, "too_many_requests").detail
    assert "4 requests were made, and the limit is 4 a minute" in detail
    assert 1 <= int(refused.headers["retry-after"]) <= 15
    assert (await locked.http.get("/livez", headers=lab)).status_code == 200
    assert {(await locked.http.get("/v1/models", headers=ward)).status_code for _ in range(20)} == {200}


async def test_without_keys_the_limit_is_by_address(tmp_path):
    async with Service(tmp_path, FakeBackend(), rate_limit_per_min=3) as service:
        statuses = [(await service.http.get("/v1/models")).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        document = (await service.http.get("/openapi.json")).json()
        responses = document["paths"]["/v1/models"]["get"]["responses"]
        assert "429" in responses
        assert "401" not in responses


async def test_a_key_taken_away_is_refused_without_a_restart(locked, secrets, tmp_path):
    assert (await locked.http.get("/v1/models", headers=secrets[0])).status_code == 200
    (tmp_path / "keys").write_text("")
    async with asyncio.timeout(60):
        while (await locked.http.get("/v1/models", headers=secrets[0])).status_code != 401:
            await asyncio.sleep(0.05)


async def test_the_log_names_the_key_and_never_shows_it(locked, secrets, caplog):
    caplog.set_level("DEBUG")
    await locked.http.get("/v1/models", headers=secrets[0])
    await locked.http.get("/v1/models", headers={"X-API-Key": "a-wrong-secret"})
    records = [record for record in caplog.records if record.name == "frontend.access"]
    assert [(record.key, record.code) for record in records] == [("ward", None), (None, "unauthorised")]
    text = str([vars(record) for record in caplog.records])
    assert secrets[0]["X-API-Key"] not in text
    assert "a-wrong-secret" not in text
    metrics = (await locked.http.get("/metrics", headers=secrets[0])).text
    assert 'oncoserve_errors_total{code="unauthorised"} 1.0' in metrics


async def test_the_document_says_who_may(locked, service):
    document = (await locked.http.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["api_key"]["name"] == "X-API-Key"
    operation = document["paths"][PREDICT.replace("tiny", "{model}")]["post"]
    assert operation["security"] == [{"api_key": []}]
    assert {"401", "429"} <= operation["responses"].keys()
    assert "security" not in document["paths"]["/livez"]["get"]
    free = (await service.http.get("/openapi.json")).json()
    assert "securitySchemes" not in free["components"]
    assert "401" not in str(free["paths"])


async def test_only_pages_of_named_origins_may_ask(locked, secrets):
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-API-Key"}
    allowed = await locked.http.options(PREDICT, headers=asks | {"Origin": "https://a.example"})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://a.example"
    refused = await locked.http.options(PREDICT, headers=asks | {"Origin": "https://b.example"})
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers
    answer = await locked.http.get("/v1/models", headers=secrets[0] | {"Origin": "https://a.example"})
    assert answer.headers["access-control-allow-origin"] == "https://a.example"


def test_a_key_file_that_cannot_be_used_stops_the_start(tmp_path):
    with pytest.raises(KeyFileError):
        create_app(Settings(api_keys_file=tmp_path / "none"), FakeBackend())
