"""An image's way: API Gateway, authoriser, Lambda, SNS, SQS, a worker with the real Triton, S3 and DynamoDB."""

import sys
import time

import httpx
import pytest

from tests.servers import Server

TIMEOUT_S = 90


@pytest.fixture
def worker(stack, emulator, triton, tmp_path):
    """The worker's own process, with the rights of the worker's role."""
    settings = stack.settings | {"inference_url": triton.grpc_url, "results_dir": str(tmp_path / "results")}
    environment = {f"ONCO_{name.upper()}": value for name, value in settings.items()}
    role = emulator.role(stack.outputs["WorkerRoleArn"])
    server = Server([sys.executable, "-m", "frontend.jobs"], "", environment | role, tmp_path / "worker.log")
    server.start()
    yield server
    assert server.stop() == 0, server.output()


def ended(client, job):
    deadline = time.monotonic() + TIMEOUT_S
    while job["state"] in {"QUEUED", "RUNNING"}:
        assert time.monotonic() < deadline, job
        time.sleep(0.25)
        job = client.get(job["links"]["self"]).raise_for_status().json()
    return job


def test_from_the_api_to_the_result(api, worker, stack, emulator, sample):
    ward = api("ward")
    files = [("images", ("scan 1.jpg", sample, "image/jpeg")), ("images", ("notes.txt", b"not a picture"))]
    answer = ward.post("/v1/jobs", data={"model": "brain_mri"}, files=files)
    assert answer.status_code == 202, answer.text
    job = ended(ward, answer.json())

    good, bad = job["images"]
    assert (job["state"], good["state"], bad["state"]) == ("SUCCEEDED", "SUCCEEDED", "FAILED")
    assert (good["name"], bad["error"]["code"]) == ("scan 1.jpg", "unsupported_image")
    led = ward.get(good["links"]["result"])
    assert (led.status_code, led.headers["location"].startswith(emulator.url)) == (307, True)
    result = httpx.get(led.headers["location"])
    assert result.headers["content-type"] == "application/json"
    assert result.json()["label"] == "glioma"
    overlay = httpx.get(ward.get(good["links"]["overlay"]).headers["location"])
    assert (overlay.headers["content-type"], overlay.content[:4]) == ("image/png", b"\x89PNG")
