"""The real processes around the main job: readiness, restarts, several workers, other models, bad input on the wire."""

import itertools
import os
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest

from oncoserve.keys import LOOK_EVERY_S, new_key
from testbed.encoded_pictures import encoded, noise
from testbed.model_folder import CLASSES
from testbed.servers import FrontendServer, TritonServer
from testbed.tiny_models import expected_probabilities, write_classifier

SIZE = 16


def picture(seed=0):
    return encoded(noise((SIZE, SIZE), seed))


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    write_classifier(folder, "tiny", size=SIZE)
    return folder


@pytest.fixture(scope="module")
def tiny(embedded_triton, repository, tmp_path_factory):
    with TritonServer(repository, tmp_path_factory.mktemp("tiny")) as server:
        yield server


def frontend(tiny, repository, folder, **settings):
    values = {"model_repository": repository, "results_dir": folder / "results"}
    return FrontendServer(tiny.grpc_url, folder, **values | settings)


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def service(tiny, repository, tmp_path_factory):
    """A frontend for the tests that leave it as it was."""
    with frontend(tiny, repository, tmp_path_factory.mktemp("service"), max_upload_bytes=4096) as running:
        yield running


def test_an_added_folder_with_another_model_is_served_without_a_line_of_python(service):
    result = httpx.post(f"{service.url}/v1/models/tiny/predict", content=picture()).json()
    expected = expected_probabilities(np.asarray(noise((SIZE, SIZE)))[np.newaxis])[0]
    assert list(result["probabilities"]) == list(CLASSES)
    assert list(result["probabilities"].values()) == pytest.approx(expected.tolist(), abs=2e-6)


def test_metrics_are_those_of_all_workers(tiny, repository, tmp_path):
    uploads = 24
    with frontend(tiny, repository, tmp_path, workers=3) as service:

        def upload(seed):
            # A connection each, so that the kernel spreads them over the workers.
            return httpx.post(f"{service.url}/v1/models/tiny/predict", content=picture(seed)).status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(upload, range(uploads))) == {200}
        # A worker that is still starting counts as not ready.
        wait_for(lambda: "oncoserve_ready 1.0" in httpx.get(f"{service.url}/metrics").text)
        pids = {process.pid for process in service.family()}
        texts = [httpx.get(f"{service.url}/metrics").text for _ in range(6)]
    assert len(pids) >= 3
    for text in texts:
        counted = re.search(r'oncoserve_predictions_total\{model="tiny",source="inference"\} (\S+)', text)
        assert float(counted[1]) == uploads


def test_triton_comes_late_and_dies_and_comes_back(repository, embedded_triton, tmp_path):
    triton = TritonServer(repository, tmp_path)
    service = frontend(triton, repository, tmp_path, poll_interval_s=0.2)
    predict = f"{service.url}/v1/models/tiny/predict"

    def is_away():
        response = httpx.post(predict, content=picture(9))
        assert (response.status_code, response.json()["code"]) == (503, "inference_unavailable")
        assert int(response.headers["retry-after"]) >= 1
        ready = httpx.get(f"{service.url}/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert "does not answer" in ready.json()["problems"]["inference_server"]
        assert httpx.get(f"{service.url}/livez").status_code == 200

    service.start()
    try:
        wait_for(lambda: _status(f"{service.url}/livez") == 200)
        is_away()
        with triton:
            wait_for(service.is_ready)
            assert httpx.post(predict, content=picture(1)).status_code == 200
            triton.end()
            is_away()
            assert httpx.post(predict, content=picture(1)).status_code == 200  # stored, needs no Triton
            triton.start()
            triton.wait_ready()
            wait_for(lambda: httpx.post(predict, content=picture(3)).status_code == 200)
            wait_for(service.is_ready)
    finally:
        service.stop()


def test_a_card_that_does_not_fit_is_not_ready_with_the_reason(tiny, repository, tmp_path):
    other = tmp_path / "repository"
    write_classifier(other, "tiny", size=SIZE, classes=CLASSES[:3])
    service = frontend(tiny, other, tmp_path)
    service.start()
    try:
        wait_for(lambda: _status(f"{service.url}/livez") == 200)
        ready = httpx.get(f"{service.url}/readyz")
        reason = "expected output probabilities float32 [3] (the card's classes), got probabilities float32 [4]"
        assert (ready.status_code, ready.json()["problems"]) == (503, {"tiny": reason})
        response = httpx.post(f"{service.url}/v1/models/tiny/predict", content=picture())
        assert (response.status_code, response.json()["code"]) == (503, "model_not_ready")
        assert reason in response.json()["detail"]
    finally:
        service.stop()


def test_stopped_by_sigterm_and_sigint(tiny, repository, tmp_path):
    """With one process and with two; all side by side. Nothing is left in the folder for temporary files."""

    def stop(workers, signum):
        folder = tmp_path / f"{workers}-{signum}"
        temporary = folder / "temporary"
        temporary.mkdir(parents=True)
        service = frontend(tiny, repository, folder, workers=workers)
        service.env["TMPDIR"] = str(temporary)
        with service:
            assert service.stop(signum) == 0
        assert "Traceback" not in service.output()
        assert not list(temporary.iterdir())

    with ThreadPoolExecutor() as pool:
        ways = [pool.submit(stop, *way) for way in itertools.product((1, 2), (signal.SIGTERM, signal.SIGINT))]
    for way in ways:
        way.result()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"port": "99999"}, "ONCO_PORT='99999': Input should be less than or equal to 65535"),
        ({"uploads_max": "1"}, "unknown setting ONCO_UPLOADS_MAX"),
        ({"host": "0.0.0.0"}, "oncoserve: other machines would reach the service on 0.0.0.0 without"),  # noqa: S104
        ({"published_host": "192.0.2.1"}, "ONCO_ALLOW_ANONYMOUS=true if everybody may ask"),
        ({"api_keys_file": "/none"}, "oncoserve: the key file /none cannot be read"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path, settings, message):
    service = FrontendServer("127.0.0.1:1", tmp_path, **settings)
    service.start()
    assert service.wait() == 2
    assert message in service.output()
    assert "Traceback" not in service.output()


def test_keys_and_expiry_with_several_workers(tiny, repository, tmp_path):
    file = tmp_path / "keys"
    made = [new_key(name) for name in ("ward", "lab")]
    file.write_text(f"{made[0][1]}\n")
    ward, lab = ({"X-API-Key": secret} for secret, _ in made)
    results = tmp_path / "results"
    with frontend(tiny, repository, tmp_path, workers=3, api_keys_file=file, results_ttl_s=24) as service:

        def ask(headers, path="/v1/models"):
            return httpx.get(f"{service.url}{path}", headers=headers).status_code

        assert [ask(headers) for headers in ({}, ward, lab)] == [401, 200, 401]
        predict = f"{service.url}/v1/models/tiny/predict"
        made_by_ward = httpx.post(predict, content=picture(), headers=ward).json()["links"]["self"]
        # A connection each, so all workers are met sooner or later; each of them looks at the file once a second,
        # so that after that time every one of them has the new keys or looks at its next request.
        file.write_text("".join(f"{key}\n" for _, key in made))
        time.sleep(1.1 * LOOK_EVERY_S)
        assert {ask(lab) for _ in range(12)} == {200}
        assert {ask(ward, made_by_ward) for _ in range(12)} == {200}
        assert {ask(lab, made_by_ward) for _ in range(12)} == {404}
        (file,) = results.glob("keys/ward/*/*.zip")
        os.utime(file, (time.time() - 120,) * 2)
        assert {ask(ward, made_by_ward) for _ in range(12)} == {404}
        wait_for(lambda: "expired results removed" in service.output())  # said when it is done
        assert not file.exists()
        assert service.output().count("expired results removed") == 1
    for secret, _ in made:
        assert secret not in service.output()


def test_port_taken(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        service = FrontendServer("127.0.0.1:1", tmp_path, port=port)
        service.start()
        assert service.wait() == 1
    assert f"cannot listen on port {port} of 127.0.0.1 (Address already in use)" in service.output()
    assert "ONCO_PORT" in service.output()
    assert "Traceback" not in service.output()


@pytest.mark.parametrize("sent", [b"", b"text", b"\x89PNG\r\n\x1a\n" + bytes(50), encoded(noise((9, 9)), "GIF")])
def test_bad_input_on_the_wire_leaves_the_service_working(service, sent):
    def chunked():
        yield from (sent[i : i + 7] for i in range(0, len(sent), 7))

    predict = f"{service.url}/v1/models/tiny/predict"
    for request in ({"content": sent}, {"content": chunked()}, {"files": {"image": ("x.png", sent)}}):
        response = httpx.post(predict, **request)
        assert response.status_code in (400, 415, 422)
        assert response.headers["content-type"] == "application/problem+json"
    too_long = httpx.post(predict, content=(bytes(1000) for _ in range(10)))
    assert (too_long.status_code, too_long.json()["code"]) == (413, "upload_too_large")
    assert httpx.post(predict, content=picture(100 + len(sent))).status_code == 200


def _status(url):
    try:
        return httpx.get(url).status_code
    except httpx.TransportError:
        return None
