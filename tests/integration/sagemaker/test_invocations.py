"""What an endpoint of SageMaker asks its container, of the real frontend on the real Triton."""

import io
import json
import signal
import time
import zipfile

import httpx
import pytest

from testbed.encoded_pictures import encoded, noise, scan
from testbed.servers import FrontendServer

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


@pytest.fixture(scope="module")
def container(triton, tmp_path_factory):
    """The frontend as the container starts it, all but the port."""
    folder = tmp_path_factory.mktemp("sagemaker")
    settings = {"results_dir": folder / "results", "job_workers": 0, "sagemaker": True, "infer_timeout_s": 240}
    with FrontendServer(triton.grpc_url, folder, **settings) as server:
        yield server


@pytest.fixture
def invoke(container):
    def ask(body=None, attributes="model=brain_tumour", **headers):
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given |= {} if attributes is None else {ATTRIBUTES: attributes}
        data = encoded(scan(seed=5)) if body is None else body
        return httpx.post(f"{container.url}/invocations", content=data, headers=given, timeout=240)

    return ask


def opened(answer):
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip"), answer.text
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    return {name: archive.read(name) for name in archive.namelist()}


def test_it_is_well(container):
    started = time.monotonic()
    assert httpx.get(f"{container.url}/ping", timeout=10).status_code == 200
    assert time.monotonic() - started < 2


def test_a_picture_gives_the_document_that_predict_gives(invoke, container):
    picture = encoded(scan(seed=6))
    answer = invoke(picture, "model=brain_tumour,mm_per_px=0.5")
    expected = httpx.post(
        f"{container.url}/v1/models/brain_tumour/predict?mm_per_px=0.5", files={"image": picture}, timeout=240
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == expected.json()


def test_the_whole_result_has_every_file_that_can_be_drawn_of_it(invoke, container):
    files = opened(invoke(attributes="model=he_tissue,um_per_px=1", Accept="application/zip"))
    document = json.loads(files["result.json"])
    assert files.keys() == {"result.json", *document["files"].values()}
    assert {"overlay.png", "mask.png", "polygons.geojson"} <= files.keys()
    for name in document["files"].values():
        drawn = httpx.get(f"{container.url}/v1/results/{document['id']}/{name}", timeout=240)
        assert files[name] == drawn.content


@pytest.mark.parametrize(
    ("body", "attributes", "status", "code"),
    [
        (b"no picture", "model=brain_mri", 415, "unsupported_image"),
        (b"", "model=brain_mri", 400, "empty_upload"),
        (None, "model=nobody", 404, "model_not_found"),
        (None, None, 422, "invalid_parameter"),
        (None, "", 422, "invalid_parameter"),
        (None, "brain_mri", 422, "invalid_parameter"),
        (None, "model=brain_mri,model=he_tissue", 422, "invalid_parameter"),
        (None, "model=brain_tumour,mm_per_px=wide", 422, "invalid_parameter"),
        (None, "model=brain_tumour,mm_per_px=1,mm_per_px=1", 422, "invalid_parameter"),
        (None, "model=brain_tumour,color=1", 422, "invalid_parameter"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_as_a_status_or_in_the_archive(invoke, body, attributes, status, code):
    """An asynchronous endpoint keeps no body of what failed: there the problem has to be the answer."""
    plain = invoke(body, attributes)
    assert (plain.status_code, plain.json()["code"]) == (status, code)
    ((name, content),) = opened(invoke(body, attributes, Accept="application/zip")).items()
    problem = json.loads(content)
    assert (name, problem["status"], problem["code"]) == ("problem.json", status, code)
    assert problem["detail"] == plain.json()["detail"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("application/zip;q=0.5, application/json", "application/json"),
        ("application/zip;q=1.0", "application/zip"),
        ("application/json;q=0.1, application/zip", "application/zip"),
    ],
)
def test_accept_decides_and_its_qualities_count(invoke, accept, kind):
    assert invoke(Accept=accept).headers["content-type"] == kind


def test_what_nobody_can_give_is_told(invoke):
    answer = invoke(Accept="image/gif")
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")


def test_a_form_s_parameters_are_not_read_from_two_places(container):
    files, headers = {"image": encoded(noise((64, 64)))}, {ATTRIBUTES: "model=brain_tumour"}
    answer = httpx.post(
        f"{container.url}/invocations", files=files, data={"mm_per_px": "1"}, headers=headers, timeout=60
    )
    assert (answer.status_code, ATTRIBUTES in answer.json()["detail"]) == (422, True)


@pytest.mark.long
def test_callers_who_hang_up_leave_it_well(invoke, container):
    for _ in range(20):
        with pytest.raises(httpx.TimeoutException):
            httpx.post(
                f"{container.url}/invocations",
                content=encoded(noise((1500, 1500))),
                headers={ATTRIBUTES: "model=he_tissue,um_per_px=1", "Accept": "application/zip"},
                timeout=0.05,
            )
    assert httpx.get(f"{container.url}/ping", timeout=10).status_code == 200
    assert "result.json" in opened(invoke(Accept="application/zip"))


def test_an_endpoint_of_one_model_needs_no_name_and_refuses_others(triton, tmp_path):
    settings = {"results_dir": tmp_path / "results", "job_workers": 0, "sagemaker": True, "job_models": "brain_mri"}
    with FrontendServer(triton.grpc_url, tmp_path, **settings) as server:
        url, picture = f"{server.url}/invocations", encoded(scan(seed=7))
        assert httpx.post(url, content=picture, timeout=60).json()["model"] == "brain_mri"
        refused = httpx.post(url, content=picture, headers={ATTRIBUTES: "model=he_tissue"}, timeout=60)
        assert (refused.status_code, "it has: brain_mri" in refused.json()["detail"]) == (422, True)
        server.process.send_signal(signal.SIGTERM)
        assert server.wait() == 0


def test_where_triton_is_away_it_is_not_well_and_says_later(tmp_path):
    settings = {"results_dir": tmp_path / "results", "job_workers": 0, "sagemaker": True}
    server = FrontendServer("127.0.0.1:9", tmp_path, **settings)
    server.ready_url = f"{server.url}/livez"
    with server:
        assert httpx.get(f"{server.url}/ping", timeout=10).status_code == 503
        headers = {ATTRIBUTES: "model=brain_mri", "Accept": "application/zip"}
        answer = httpx.post(f"{server.url}/invocations", content=encoded(scan()), headers=headers, timeout=60)
        assert json.loads(opened(answer)["problem.json"])["status"] == 503


def test_without_the_setting_there_is_neither(frontend):
    assert httpx.get(f"{frontend.url}/ping", timeout=10).status_code == 404
    assert httpx.post(f"{frontend.url}/invocations", content=b"x", timeout=10).status_code == 404
