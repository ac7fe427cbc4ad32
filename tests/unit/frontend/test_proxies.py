"""Behind a proxy, which may strip the path that it publishes the service under: every address, and who asks."""

import json
import re
from contextlib import asynccontextmanager

import httpx
import pytest

from frontend.http.middleware import REFUSED
from oncoserve.errors import TooManyConnections
from oncoserve.keys import new_key
from oncoserve.runtime.addresses import OWN_PARTS, root_path
from testbed.fakes import FakeBackend, classifier
from testbed.in_process import PNG, PREDICT, Service

ROOT = "/oncology"
PROXY, STRANGER = "10.1.2.3", "192.0.2.7"
TRUSTED = {"trusted_proxies": "10.0.0.0/8, ::1"}
REFERENCE = re.compile(r'(?:href|src|action|data-sample|data-source)="([^"#][^"]*)"')


@asynccontextmanager
async def published(folder, **settings):
    sample = folder / "samples/tiny/class0/a.png"
    sample.parent.mkdir(parents=True)
    sample.write_bytes(PNG)
    async with Service(folder, FakeBackend(classifier(saliency=(4, 4))), **settings) as running:
        yield running


def asked_from(service, peer):
    """A client whose requests seem to come from an address."""
    transport = httpx.ASGITransport(service.app, client=(peer, 1234), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://inside:5000")


class Proxy:
    """What the browser sees: one that strips the path, or one that does not."""

    def __init__(self, service, strips):
        self._http, self._strips = service.http, strips

    async def request(self, method, address, **content):
        assert address.startswith(f"{ROOT}/"), f"{address} leads to something else on the proxy's host"
        return await self._http.request(method, address.removeprefix(ROOT) if self._strips else address, **content)


def addresses_in(value):
    """Everything in a JSON document that is an address: it begins with a slash."""
    match value:
        case dict():
            return [each for part in value.values() for each in addresses_in(part)]
        case list():
            return [each for part in value for each in addresses_in(part)]
        case str() if value.startswith("/"):
            return [value]
    return []


@pytest.mark.parametrize("strips", [True, False])
async def test_every_reference_of_every_page_is_found(tmp_path, strips):
    async with published(tmp_path, root_path=ROOT) as service:
        proxy = Proxy(service, strips)
        files = {"image": ("a.png", PNG)}
        asked = await proxy.request("POST", f"{ROOT}/ask", files=files, data={"model": "tiny"})
        refused = await proxy.request("POST", f"{ROOT}/ask", files=files, data={"model": "none"})
        pages = [
            asked.headers["location"],
            *(f"{ROOT}{path}" for path in ("/", "/errors", "/docs", "/jobs", "/jobs/x")),
        ]
        texts = [refused.text, *[(await proxy.request("GET", page)).text for page in pages]]
        found = {reference.replace("&amp;", "&") for text in texts for reference in REFERENCE.findall(text)}
        assert len(found) > 12
        answers = {each: await proxy.request("POST" if each.endswith("/ask") else "GET", each) for each in found}
        assert {each: answer.status_code for each, answer in answers.items() if answer.status_code >= 400} == {
            f"{ROOT}/ask": 400  # nothing was sent
        }


@pytest.mark.parametrize("strips", [True, False])
async def test_every_address_of_every_document_is_found(tmp_path, strips):
    async with published(tmp_path, root_path=ROOT) as service:
        proxy = Proxy(service, strips)
        answer = await proxy.request("POST", f"{ROOT}{PREDICT}", content=PNG)
        job = await proxy.request("POST", f"{ROOT}/v1/jobs", data={"model": "tiny"}, files=[("images", ("a.png", PNG))])
        await proxy.request("POST", f"{ROOT}/v1/jobs", data={"model": "tiny"}, files=[("images", ("a.png", PNG))])
        later = await proxy.request("POST", f"{ROOT}{PREDICT}", content=PNG, headers={"Prefer": "respond-async"})
        jobs = await proxy.request("GET", f"{ROOT}/v1/jobs?limit=1")
        models = await proxy.request("GET", f"{ROOT}/v1/models")
        version = await proxy.request("GET", f"{ROOT}/v1/models/tiny/versions/1")
        assert jobs.json()["next"]
        found = {answer.headers["content-location"], job.headers["location"], later.headers["location"]}
        for document in (answer, job, later, jobs, models, version):
            found |= {*addresses_in(document.json())}
        assert len(found) >= 9
        for address in found - {f"{ROOT}{PREDICT}", f"{ROOT}/v1/models/tiny/versions/1/predict"}:
            again = await proxy.request("GET", address)
            assert again.status_code == 200, address
            if again.headers["content-type"] == "application/json":
                assert all(each.startswith(f"{ROOT}/") for each in addresses_in(again.json()))
        problem = (await proxy.request("GET", f"{ROOT}/nowhere")).json()
        assert problem["type"] == f"{ROOT}/errors#not_found"
        assert (await proxy.request("GET", f"{ROOT}/static/none.js")).json()["type"].startswith(f"{ROOT}/errors#")
        servers = (await proxy.request("GET", f"{ROOT}/openapi.json")).json()["servers"]
        assert servers == [{"url": ROOT}]


async def test_what_is_stored_holds_no_address(tmp_path):
    async with published(tmp_path / "first", root_path=ROOT, results_dir=tmp_path / "results") as service:
        result = (await service.http.post(PREDICT, content=PNG)).json()
    for path in (tmp_path / "results").rglob("*.json"):
        assert addresses_in(json.loads(path.read_text())) == [], path
    async with published(tmp_path / "second", root_path="/a/b", results_dir=tmp_path / "results") as service:
        again = (await service.http.get(f"/v1/results/{result['id']}")).json()
    assert {link.removeprefix("/a/b") for link in again["links"].values()} == {
        link.removeprefix(ROOT) for link in result["links"].values()
    }


async def test_with_keys_the_same_addresses_are_open_under_a_path(tmp_path):
    (tmp_path / "keys").write_text(f"{new_key('ward')[1]}\n")
    expected = {"/": 200, "/static/app.js": 200, "/v1/samples/tiny/class0/a.png": 200, "/results/x": 200}
    expected |= dict.fromkeys(("/v1/models", "/metrics", "/nowhere", "/static", "/x/v1/models", "/xx/", "/x/"), 401)
    async with published(tmp_path, root_path="/x", api_keys_file=tmp_path / "keys") as service:
        for own, status in expected.items():
            assert (await service.http.get(f"/x{own}")).status_code == status, own
        for own in expected.keys() - {"/x/v1/models", "/x/"}:  # which are what a proxy has not stripped
            assert (await service.http.get(own)).status_code == expected[own], own


async def test_redirections_and_whole_addresses_are_as_the_caller_knows_them(tmp_path):
    said = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "hospital.example:8443",
        "X-Forwarded-Prefix": "/onco/logy/",
    }
    async with published(tmp_path, **TRUSTED) as service, asked_from(service, PROXY) as http:
        answer = await http.get("/v1/models/", headers=said)
        assert answer.headers["location"] == "/onco/logy/v1/models"
        answer = await http.get("/onco/logy", headers=said)
        assert answer.headers["location"] == "/onco/logy/"
        assert "curl https://hospital.example:8443/onco/logy/v1/jobs" in (await http.get("/jobs", headers=said)).text


HOSTILE = ["//evil.example", "/\\evil.example", "javascript:alert(1)", "https://evil.example", "/a/../b", "/..", "/.",
           "/a//b", "/a b", "/a%2fb", '/"onload="x', "/<script>", "/a\r\nSet-Cookie: x=y", "/ä", "oncology", "/a,/b",
           "/" + "a" * 200, "/jobs", "/v1/x", "/a?b", "/a#b", "/a;b", "//", "/{{7*7}}"]  # fmt: skip


@pytest.mark.parametrize("root", ["", ROOT])
async def test_a_path_that_is_none_is_ignored_and_each_reason_said_once(tmp_path, caplog, root):
    async with published(tmp_path, root_path=root, **TRUSTED) as service, asked_from(service, PROXY) as http:
        for value in HOSTILE:
            answer = await http.get("/v1/models", headers={"X-Forwarded-Prefix": value.encode()})
            assert addresses_in(answer.json()["models"][0]["links"])[0] == f"{root}/v1/models/tiny", value
            page = await http.get("/", headers={"X-Forwarded-Prefix": value.encode()})
            assert (page.status_code, f'action="{root}/ask"' in page.text) == (200, True), value
            assert "evil" not in page.text + str(page.headers)
        twice = await http.get("/v1/models", headers=[("X-Forwarded-Prefix", "/a"), ("X-Forwarded-Prefix", "/b")])
        assert twice.json()["models"][0]["links"]["self"] == f"{root}/v1/models/tiny"
    said = [record.message for record in caplog.records if "X-Forwarded-Prefix is ignored" in record.message]
    reasons = ("it has to be a path such as /oncology", "/jobs is an address of", "/v1 is an address of")
    assert [sum(reason in each for each in said) for reason in reasons] == [1, 1, 1]
    assert len(said) == len(reasons)
    assert "evil" not in "".join(said)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_path_of_the_settings_is_held_to_the_same(value):
    with pytest.raises(ValueError, match=r"path such as /oncology|address of the service itself"):
        root_path(value)


async def test_only_named_proxies_are_believed(tmp_path, caplog):
    said = {"X-Forwarded-Prefix": "/x", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    async with published(tmp_path, **TRUSTED) as service:
        for peer, root in ((PROXY, "/x"), ("::1", "/x"), ("::ffff:10.0.0.1", "/x"), (STRANGER, ""), ("unix", "")):
            async with asked_from(service, peer) as http:
                links = (await http.get("/v1/models", headers=said)).json()["models"][0]["links"]
                assert links["self"] == f"{root}/v1/models/tiny", peer
                page = (await http.get("/jobs", headers=said)).text
                assert f"curl {'https://evil.example/x' if root else 'http://inside:5000'}/v1/jobs" in page
    assert len([record for record in caplog.records if "not believed" in record.message]) == 1


async def test_a_host_that_is_none_is_ignored(tmp_path):
    hosts = ["evil.example/path", "a@b", "a, b", "a b", "", "a:1:2", "[::1", "ä", "a\r\nb", "a" * 300]
    async with published(tmp_path, **TRUSTED) as service, asked_from(service, PROXY) as http:
        for host in hosts:
            answer = await http.get("/jobs", headers={"X-Forwarded-Host": host.encode()})
            assert "curl http://inside:5000/v1/jobs" in answer.text, host


async def test_requests_are_counted_by_the_caller_and_not_by_the_proxy(tmp_path):
    async def asks(http, *forwarded):
        headers = [("X-Forwarded-For", each) for each in forwarded]
        return (await http.get("/v1/models", headers=headers)).status_code

    async with published(tmp_path, rate_limit_per_min=1, **TRUSTED) as service:
        async with asked_from(service, PROXY) as http:
            assert [await asks(http, "192.0.2.1"), await asks(http, "192.0.2.1")] == [200, 429]
            assert await asks(http, "192.0.2.2:4711") == 200
            assert await asks(http, "192.0.2.2:4712") == 429  # another port is no other caller
            assert await asks(http, "198.51.100.1, 192.0.2.2") == 429  # what the caller claims comes first
            assert await asks(http, "198.51.100.2", "192.0.2.2, 10.9.9.9") == 429  # two proxies, two lines
            assert await asks(http, "2001:db8::1") == 200
        async with asked_from(service, STRANGER) as http:
            assert [await asks(http, "203.0.113.1"), await asks(http, "203.0.113.2")] == [200, 429]


async def test_what_a_connection_refuses_has_addresses_below_the_path(tmp_path):
    async with published(tmp_path, root_path=ROOT) as service:

        async def full(scope, receive, send):
            scope["state"] = {REFUSED: TooManyConnections(1)}
            await service.app(scope, receive, send)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(full), base_url="http://inside:5000") as http:
            assert (await http.get("/v1/models")).json()["type"] == f"{ROOT}/errors#too_many_connections"


def test_the_first_parts_of_the_services_own_addresses_are_known(tmp_path):
    app = Service(tmp_path, FakeBackend(classifier())).app
    paths = {route.path for route in app.routes if hasattr(route, "path")} | {*app.openapi()["paths"]}
    parts = {path.split("/")[1] for path in paths} - {""}
    assert len(parts) > 9
    assert parts <= OWN_PARTS
