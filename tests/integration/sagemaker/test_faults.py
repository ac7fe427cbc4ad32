"""The service as the container starts it, when Triton hangs and when SageMaker stops it; on the real Triton."""

import io
import json
import signal
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from frontend.sagemaker.__main__ import environment
from testbed.encoded_pictures import encoded, noise
from testbed.servers import WholeService
from testbed.timed_model import Gate, write_sleeper
from testbed.tiny_models import write_classifier
from tests.integration.supervised import wait_until

ATTRIBUTES, ZIP = "X-Amzn-SageMaker-Custom-Attributes", "application/zip"
OF_THE_CONTAINER = ("shutdown_grace_s", "triton_stop_grace_s", "results_max_bytes", "results_ttl_s", "sagemaker")
PING_S = 2.0  # that SageMaker waits for an answer to /ping
KILLED_S = 30.0  # after SIGTERM
LONG_S = 17.0  # of an image that ends within the container's grace, but not within the launcher's usual one


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    return Gate(tmp_path_factory.mktemp("gate"))


@pytest.fixture
def container(embedded_triton, gate, tmp_path):
    models = tmp_path / "models"
    write_classifier(models, "tiny")
    write_sleeper(models, "long", LONG_S)
    write_sleeper(models, "gated", 0.1, gate=gate)
    theirs = environment(models, {})
    settings = {name: theirs[f"ONCO_{name.upper()}"] for name in OF_THE_CONTAINER}
    with WholeService(models, tmp_path, infer_timeout_s=60, **settings) as service:
        yield service
        gate.open()


def ping(service):
    """The status of /ping, and the seconds that it took."""
    began = time.monotonic()
    status = httpx.get(f"{service.url}/ping", timeout=60).status_code
    return status, time.monotonic() - began


def whole_result(service, model):
    headers = {ATTRIBUTES: f"model={model}", "Accept": ZIP}
    answer = httpx.post(f"{service.url}/invocations", content=encoded(noise((16, 16))), headers=headers, timeout=90)
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    return {name: archive.read(name) for name in archive.namelist()}


def test_ping_is_answered_in_time_while_triton_hangs_and_is_well_when_it_is_back(container):
    assert ping(container)[0] == 200
    container.triton_process().send_signal(signal.SIGSTOP)
    seen = []

    def is_away():
        seen.append(ping(container))
        return seen[-1][0] == 503

    wait_until(is_away)
    wait_until(lambda: ping(container)[0] == 200, 60)
    assert max(seconds for _, seconds in seen) < PING_S
    assert "result.json" in whole_result(container, "tiny")


@pytest.mark.long
def test_what_is_under_way_ends_or_is_told_before_it_is_killed(container, gate):
    """The image that takes 17 s has its result; the one that never ends is given back, not held against it."""
    gate.close()
    with ThreadPoolExecutor() as pool:
        asked = {model: pool.submit(whole_result, container, model) for model in ("long", "gated")}
        wait_until(lambda: in_flight(container) >= 2)
        told = time.monotonic()
        container.process.send_signal(signal.SIGTERM)
        threading.Timer(KILLED_S, gate.open).start()
        ended = {model: answer.result() for model, answer in asked.items()}
        took_s = time.monotonic() - told
    assert "result.json" in ended["long"]
    problem = json.loads(ended["gated"]["problem.json"])
    assert (problem["status"], problem["code"]) == (503, "shutting_down")
    assert took_s < KILLED_S
    assert container.wait() == 0


def in_flight(service):
    """Requests that the frontend works on, that for its metrics among them."""
    text = httpx.get(f"{service.url}/metrics", timeout=10).text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("oncoserve_in_flight")) - 1
