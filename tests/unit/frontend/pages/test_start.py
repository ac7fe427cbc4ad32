"""The page's form without scripts, and pages of results and jobs, over HTTP."""

import io
import json

import pytest
from PIL import Image

from oncoserve.keys import new_key
from testbed.encoded_pictures import encoded, noise
from testbed.fakes import FakeBackend, classifier
from testbed.in_process import PNG, PREDICT, Service, assert_problem

UNKNOWN = "0" * 32


@pytest.fixture
async def locked(tmp_path):
    secret, key = new_key("ward")
    (tmp_path / "keys").write_text(f"{key}\n")
    backend = FakeBackend(classifier(saliency=(4, 4)))
    async with Service(tmp_path, backend, api_keys_file=tmp_path / "keys") as running:
        yield running, {"X-API-Key": secret}


async def ask(service, data=PNG, **fields):
    return await service.http.post(
        "/ask", files={"image": ("a.png", data)}, data={"model": "tiny", "um_per_px": ""} | fields
    )


async def result(service, headers=None):
    return (await service.http.post(PREDICT, content=PNG, headers=headers)).json()


async def test_the_form_leads_to_the_page_of_the_result(service):
    answer = await ask(service)
    assert answer.status_code == 303
    page = await service.http.get(answer.headers["location"])
    assert page.status_code == 200
    document = await result(service)
    assert document["id"] in answer.headers["location"]
    assert len(service.backend.calls) == 1
    for text in (document["provenance"]["input_sha256"], "Class 0", "Research use only", "Probability of each class"):
        assert text in page.text


@pytest.mark.parametrize(
    ("data", "fields", "status", "code"),
    [(b"", {}, 400, "empty_upload"), (b"words", {}, 415, "unsupported_image"), (PNG[:100], {}, 422, "corrupt_image"),
     (PNG, {"model": "nothing"}, 404, "model_not_found"), (PNG, {"model": ""}, 404, "model_not_found")],
)  # fmt: skip
async def test_what_goes_wrong_is_said_on_the_page(service, data, fields, status, code):
    answer = await ask(service, data, **fields)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert f'/errors#{code}"' in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_a_form_that_is_none_is_said_on_the_page(service):
    answer = await service.http.post(
        "/ask", content=b"--x\r\nbroken", headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


async def test_what_was_entered_is_still_there(tmp_path):
    async with Service(tmp_path, FakeBackend(classifier(), classifier("other"))) as service:
        answer = await ask(service, b"words", model="other", um_per_px='"><script>')
    (chosen,) = [line for line in answer.text.splitlines() if " checked" in line and 'name="model"' in line]
    assert 'value="other"' in chosen
    assert "<script>" not in answer.text
    assert 'value="&#34;&gt;&lt;script&gt;"' in answer.text


async def test_a_failure_of_the_server_says_when_to_try_again(service):
    service.backend.reachable = False
    answer = await ask(service)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_an_unknown_result_is_a_page_too(service):
    answer = await service.http.get(f"/results/{UNKNOWN}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "The result is not known" in answer.text


async def test_where_keys_are_needed_open_pages_hold_nothing_of_a_result(locked):
    service, key = locked
    document = await result(service, key)
    for headers in ({}, key):
        page = await service.http.get(f"/results/{document['id']}", headers=headers)
        unknown = await service.http.get(f"/results/{UNKNOWN}", headers=headers)
        assert page.status_code == 200
        assert page.text.replace(document["id"], UNKNOWN) == unknown.text
    address = f"/v1/results/{document['id']}"
    for part in ("page.html", "thumbnail.jpg"):
        assert_problem(await service.http.get(f"{address}/{part}"), 401, "unauthorised")
    assert document["provenance"]["input_sha256"] in (await service.http.get(f"{address}/page.html", headers=key)).text
    assert_problem(await ask(service), 401, "unauthorised")


@pytest.mark.parametrize("path", ["/jobs", "/jobs/" + UNKNOWN, "/results/" + UNKNOWN])
async def test_pages_with_findings_are_kept_in_no_cache_and_run_only_our_scripts(service, path):
    answer = await service.http.get(path)
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    assert " style=" not in answer.text


async def test_names_in_addresses_are_text_on_the_page(service):
    answer = await service.http.get('/jobs/"><script>')
    assert "<script>" not in answer.text


@pytest.mark.parametrize(("options", "size"), [("", (160, 120)), ("?side=40", (40, 30)), ("?side=1024", (640, 480))])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
async def test_thumbnails_are_small_and_keep_the_shape(service, kind, options, size):
    picture = encoded(noise((640, 480)).resize((640, 480)), kind)
    document = (await service.http.post(PREDICT, content=picture)).json()
    answer = await service.http.get(f"{document['links']['self']}/thumbnail.jpg{options}")
    assert answer.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == size


async def test_a_thumbnail_may_have_the_overlay(service):
    address = (await result(service))["links"]["self"]
    plain = await service.http.get(f"{address}/thumbnail.jpg?layer=none")
    under = await service.http.get(f"{address}/thumbnail.jpg?layer=overlay")
    assert plain.content != under.content


@pytest.mark.parametrize("options", ["side=15", "side=1025", "side=x", "layer=mask", "what=1"])
async def test_options_of_thumbnails_are_checked(service, options):
    address = (await result(service))["links"]["self"]
    assert_problem(await service.http.get(f"{address}/thumbnail.jpg?{options}"), 422, "invalid_parameter")


async def test_a_model_without_overlay_has_plain_thumbnails_only(tmp_path):
    async with Service(tmp_path, FakeBackend(classifier())) as service:
        document = await result(service)
        address = document["links"]["self"]
        assert (await service.http.get(f"{address}/thumbnail.jpg")).status_code == 200
        assert_problem(await service.http.get(f"{address}/thumbnail.jpg?layer=overlay"), 404, "rendering_not_available")
        page = await service.http.get(f"/results/{document['id']}")
        assert "layer=overlay" not in page.text
        assert json.dumps(document["id"])[1:-1] in page.text
