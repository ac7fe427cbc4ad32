"""The application over HTTP with the stand-in for Triton: what does not need a real inference server."""

import asyncio
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from frontend.http.shapes.model_shapes import ModelsShape
from frontend.http.shapes.result_shapes import ClassificationResult
from oncoserve.pictures.rgb import READING_RULES
from oncoserve.results import identity
from oncoserve.results.in_files.file_results import FileResults
from oncoserve.runtime.draining import Draining
from testbed.encoded_pictures import encoded, noise, quarters
from testbed.fakes import FakeBackend, classifier
from testbed.in_process import PNG, PREDICT, Service, assert_problem


@pytest.mark.parametrize("way", ["multipart", "raw", "form-type"])
async def test_upload_ways_give_the_same_result(service, way):
    request = {
        "multipart": {"files": {"image": ("x.png", PNG, "image/png")}},
        "raw": {"content": PNG, "headers": {"Content-Type": "image/png"}},
        "form-type": {
            "content": PNG,
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        },  # curl's default
    }[way]
    response = await service.http.post(PREDICT, **request)
    assert response.status_code == 200
    result = ClassificationResult.model_validate(response.json())
    assert (result.model, result.version, result.label) == ("tiny", "1", "class0")
    assert result.image.model_dump() == {
        "width": 64,
        "height": 48,
        "format": "PNG",
        "orientation": 1,
        "turned": False,
        "mm_per_px": None,
        "dicom": None,
    }
    assert sum(result.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert result.provenance.parameters == {}


async def test_the_same_upload_again_costs_no_inference(service):
    first = await service.http.post(PREDICT, content=PNG)
    second = await service.http.post(PREDICT, files={"image": ("other name.png", PNG)})
    assert first.json() == second.json()
    assert len(service.backend.calls) == 1
    assert first.headers["cache-status"] == "oncoserve; fwd=miss; stored"
    assert second.headers["cache-status"] == "oncoserve; hit"
    third = await service.http.post(PREDICT, content=encoded(noise()))
    assert third.json()["id"] != first.json()["id"]


async def test_what_was_read_by_other_rules_is_no_answer(service, monkeypatch):
    first = (await service.http.post(PREDICT, content=PNG)).json()
    assert first["provenance"]["reading"] == {
        "rules": READING_RULES, "bits": 8, "scaled_from": None, "profile": None
    }  # fmt: skip
    monkeypatch.setattr(identity, "READING_RULES", READING_RULES + 1)
    second = await service.http.post(PREDICT, content=PNG)
    assert second.headers["cache-status"] == "oncoserve; fwd=miss; stored"
    assert second.json()["id"] != first["id"]


async def test_result_again_and_its_overlay(service):
    result = (await service.http.post(PREDICT, content=PNG)).json()
    assert (await service.http.get(result["links"]["self"])).json() == result
    overlay = await service.http.get(result["links"]["overlay"], params={"opacity": 0})
    shown = Image.open(io.BytesIO(overlay.content))
    assert np.array_equal(np.asarray(shown), np.asarray(quarters()))
    drawn_with = {"frame": "upright", "opacity": 0.0, "base": "picture"}
    assert json.loads(shown.info["Provenance"]) == result["provenance"] | {"drawn_with": drawn_with}
    assert "Research use only" in shown.info["Description"]
    layer = await service.http.get(result["links"]["overlay"], params={"base": "none"})
    assert Image.open(io.BytesIO(layer.content)).mode == "RGBA"
    assert len(service.backend.calls) == 1


async def test_accept_png_gives_the_overlay(service):
    response = await service.http.post(PREDICT, content=PNG, headers={"Accept": "image/png"})
    assert response.headers["content-type"] == "image/png"
    result = response.headers["content-location"].removesuffix("/overlay.png")
    assert (await service.http.get(f"{result}/overlay.png")).content == response.content


async def test_model_without_saliency_has_no_overlay(tmp_path):
    async with Service(tmp_path, FakeBackend()) as plain:
        assert_problem(
            await plain.http.post(PREDICT, content=PNG, headers={"Accept": "image/png"}), 406, "not_acceptable"
        )
        result = (await plain.http.post(PREDICT, content=PNG)).json()
        assert "overlay" not in result["links"]
        overlay = await plain.http.get(f"{result['links']['self']}/overlay.png")
        assert_problem(overlay, 404, "rendering_not_available")


@pytest.mark.parametrize("offered", ["abc-123", "A.b_c", "x" * 64])
async def test_request_id_is_taken_over(service, offered):
    response = await service.http.get("/livez", headers={"X-Request-ID": offered})
    assert response.headers["x-request-id"] == offered


@pytest.mark.parametrize("offered", ["x" * 65, "a b", "ä".encode(), "<script>", ""])
async def test_request_id_is_made_when_not_valid(service, offered):
    response = await service.http.get("/livez", headers={"X-Request-ID": offered})
    assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])


async def test_server_timing_has_the_stages(service):
    header = (await service.http.post(PREDICT, content=PNG)).headers["server-timing"]
    stages = dict(re.findall(r"([a-z]+);dur=([\d.]+)", header))
    assert {"decode", "preprocess", "infer", "postprocess", "total"} <= stages.keys()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/models/other/predict", 404, "model_not_found"),
        ("GET", "/v1/models/other", 404, "model_not_found"),
        ("GET", "/v1/results/nope", 404, "result_not_found"),
        ("GET", "/v1/results/" + "0" * 32, 404, "result_not_found"),
        ("GET", "/v1/results/..%2f..%2fetc%2fpasswd/overlay.png", 404, "not_found"),
        ("GET", "/v1/samples/../settings.py", 404, "not_found"),
        ("GET", "/v1/samples/tiny/none.jpg", 404, "sample_not_found"),
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/static/none.css", 404, "not_found"),
        ("GET", PREDICT, 405, "method_not_allowed"),
        ("DELETE", "/livez", 405, "method_not_allowed"),
    ],
)
async def test_wrong_addresses(service, method, path, status, code):
    assert_problem(await service.http.request(method, path), status, code)


async def test_models_and_readiness(service):
    models = ModelsShape.model_validate((await service.http.get("/v1/models")).json())
    assert [each.name for each in models.models] == ["tiny"]
    assert models.models[0].configuration.inputs[0].dims == [8, 8, 3]
    assert (await service.http.get("/v1/models/tiny")).json() == models.models[0].model_dump()
    ready = await service.http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "models": ["tiny"], "problems": {}})


async def test_versions_are_addressed(tmp_path):
    backend = FakeBackend()
    backend.versions = ("1", "2")
    async with Service(tmp_path, backend) as service:
        newest = (await service.http.get("/v1/models/tiny")).json()
        assert (newest["version"], newest["versions"]) == ("2", ["1", "2"])
        older = (await service.http.get("/v1/models/tiny/versions/1")).json()
        assert older["version"] == "1"
        answers = [(await service.http.post(each["links"]["predict"], content=PNG)).json() for each in (newest, older)]
        assert [each["version"] for each in answers] == ["2", "1"]
        assert len({each["id"] for each in answers}) == 2
        assert [version for _, version, *_ in backend.calls] == ["2", "1"]
        for method, address in (("GET", ""), ("POST", "/predict")):
            response = await service.http.request(method, f"/v1/models/tiny/versions/3{address}", content=PNG)
            assert_problem(response, 404, "version_not_found")


async def test_inference_server_away_and_back(service):
    service.backend.reachable = False
    response = await service.http.post(PREDICT, content=PNG)
    assert_problem(response, 503, "inference_unavailable")
    assert int(response.headers["retry-after"]) >= 1
    assert (await service.http.get("/readyz")).status_code == 503
    assert (await service.http.get("/livez")).status_code == 200
    service.backend.reachable = True
    assert (await service.http.post(PREDICT, content=PNG)).status_code == 200
    assert (await service.http.get("/readyz")).status_code == 200


async def test_the_limit_on_requests_under_way(tmp_path):
    backend = FakeBackend(classifier(max_batch_size=1))
    async with Service(tmp_path, backend, max_batches_in_flight=2) as small:
        backend.gate = asyncio.Event()
        pictures = [encoded(noise(seed=seed)) for seed in range(3)]
        waiting = [asyncio.create_task(small.http.post(PREDICT, content=data)) for data in pictures[:2]]
        async with asyncio.timeout(60):
            while len(backend.calls) < 2:
                await asyncio.sleep(0.01)
        refused = await small.http.post(PREDICT, content=pictures[2])
        assert (
            "2 requests under way; the limits are 2 requests and 30 s"
            in assert_problem(refused, 503, "too_busy").detail
        )
        assert refused.headers["retry-after"] == "1"
        backend.gate.set()
        assert [(await each).status_code for each in waiting] == [200, 200]
        assert (await small.http.post(PREDICT, content=pictures[2])).status_code == 200  # the places are free again


async def test_a_defect_is_a_generic_500_and_a_log_line(service, caplog):
    async def broken(*_):
        raise RuntimeError("the secret inside")

    service.backend.infer = broken
    response = await service.http.post(PREDICT, content=PNG)
    assert_problem(response, 500, "internal_error")
    assert "secret" not in response.text
    assert "the secret inside" in caplog.text


async def test_a_results_folder_that_fails(service, tmp_path):
    (tmp_path / "results").write_text("a file where a folder has to be")
    response = await service.http.post(PREDICT, content=PNG)
    assert_problem(response, 503, "storage_unavailable")


async def test_metrics(service):
    await service.http.post(PREDICT, content=PNG)
    await service.http.post(PREDICT, content=PNG)
    await service.http.post(PREDICT, content=encoded(Image.new("L", (64, 64))))
    await service.http.post(PREDICT, content=b"text")
    await service.http.get("/some/unknown/path/with/patient-name")
    text = (await service.http.get("/metrics")).text
    assert 'oncoserve_requests_total{method="POST",route="/v1/models/{model}/predict",status="200"} 3.0' in text
    for source in ("inference", "store", "none"):
        assert f'oncoserve_predictions_total{{model="tiny",source="{source}"}} 1.0' in text
    assert 'oncoserve_errors_total{code="unsupported_image"} 1.0' in text
    assert 'oncoserve_stage_seconds_count{stage="infer"} 1.0' in text
    assert "oncoserve_ready 1.0" in text
    assert "patient-name" not in text


async def test_the_callers_deadline_covers_the_whole_request(tmp_path):
    backend = FakeBackend()
    async with Service(tmp_path, backend) as hurried:
        backend.gate = asyncio.Event()  # no answer comes
        response = await hurried.http.post(PREDICT, content=PNG, headers={"Request-Timeout": "1"})
        assert "within 1 s" in assert_problem(response, 504, "deadline_exceeded").detail
        (*_, timeout_s) = backend.calls[0]
        assert timeout_s > 60  # the call itself comes to an end: Triton can die of one that does not
        bad = await hurried.http.post(PREDICT, content=PNG, headers={"Request-Timeout": "soon"})
        assert_problem(bad, 422, "invalid_parameter")


async def test_a_process_that_is_about_to_stop_is_not_ready_and_closes_connections(tmp_path):
    draining = Draining()
    async with Service(tmp_path, FakeBackend(), draining=draining) as leaving:
        assert "connection" not in (await leaving.http.get("/livez")).headers
        draining.active = True
        ready = await leaving.http.get("/readyz")
        assert (ready.status_code, ready.json()["problems"]) == (503, {"frontend": "shutting down"})
        answer = await leaving.http.post(PREDICT, content=PNG)
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        # Its body may not have been read: closing would reset the connection under the answer.
        assert "connection" not in (await leaving.http.post("/v1/models/none/predict", content=PNG)).headers


async def test_a_picture_is_drawn_from_what_is_in_memory_as_from_what_is_stored(service, monkeypatch):
    reads = []
    files = FileResults.files
    monkeypatch.setattr(FileResults, "files", lambda store, result: reads.append(result) or files(store, result))
    drawn = await service.http.post(PREDICT, content=PNG, headers={"Accept": "image/png"})
    assert reads == []
    again = await service.http.post(PREDICT, content=PNG, headers={"Accept": "image/png"})
    assert len(reads) == 1
    assert again.content == drawn.content


async def test_a_result_stored_with_addresses_in_it_still_opens(service):
    """Earlier versions wrote the links into the stored document."""
    shown = (await service.http.post(PREDICT, content=PNG)).json()
    store = FileResults(service.settings.results_dir)
    links = {"self": f"/v1/results/{shown['id']}", "overlay": f"/v1/results/{shown['id']}/overlay.png"}
    store.save(shown["id"], json.dumps(shown | {"links": links}).encode(), store.files(shown["id"]))
    assert (await service.http.get(links["self"])).json()["links"] == links
    assert (await service.http.post(PREDICT, content=PNG)).json()["links"] == links
    assert (await service.http.get(links["overlay"])).headers["content-type"] == "image/png"
    assert links["overlay"] in (await service.http.get(f"/results/{shown['id']}")).text


async def test_what_is_stored_knows_no_addresses(service):
    shown = (await service.http.post(PREDICT, content=PNG)).json()
    document = FileResults(service.settings.results_dir).read(shown["id"]).document
    assert b"/v1/" not in document
    assert json.loads(document)["files"] == {"overlay": "overlay.png"}
    assert "files" not in shown
