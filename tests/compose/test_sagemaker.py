"""The real container of an endpoint of SageMaker, started as SageMaker starts it."""

import io
import json
import secrets
import subprocess
import time
import zipfile

import httpx
import pytest

from testbed.encoded_pictures import encoded, scan
from testbed.servers import PROJECT, free_port
from tests.compose.stack import LONGEST_BUILD_S

READY_S = 180
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


def docker(*arguments, timeout_s=120):
    done = subprocess.run(
        ["docker", *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def image(engine):
    name = f"oncoserve-sagemaker-test-{secrets.token_hex(4)}"
    docker("build", "--target", "sagemaker", "--tag", name, ".", timeout_s=LONGEST_BUILD_S)
    yield name
    docker("rmi", "--force", name)


@pytest.fixture(scope="module")
def container(image):
    """Read-only, without rights, with Docker's own 64 MB of shared memory: SageMaker may give more of each."""
    port = free_port()
    hardened = ["--read-only", "--tmpfs", "/tmp:exec", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    name = docker("run", "--detach", *hardened, "--publish", f"127.0.0.1:{port}:8080", image, "serve")
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + READY_S
    while not is_well(url):
        assert time.monotonic() < deadline, docker("logs", name)
        time.sleep(0.5)
    yield name, url
    docker("rm", "--force", "--volumes", name)


def is_well(url):
    try:
        return httpx.get(f"{url}/ping", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def whole_result(url, model):
    headers = {ATTRIBUTES: f"model={model}", "Accept": "application/zip"}
    answer = httpx.post(f"{url}/invocations", content=encoded(scan(seed=9)), headers=headers, timeout=120)
    assert answer.status_code == 200, answer.text
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    return archive.namelist(), json.loads(archive.read("result.json"))


@pytest.mark.parametrize("model", ["brain_mri", "brain_tumour", "he_tissue"])
def test_it_answers_with_the_models_of_the_image(container, model):
    names, document = whole_result(container[1], model)
    assert document["model"] == model
    assert set(names) == {"result.json", *document["files"].values()}


def test_a_triton_that_is_killed_comes_back(container):
    name, url = container
    kill = "import os, pathlib, signal; [os.kill(int(p.parent.name), 9) for p in pathlib.Path('/proc').glob('[0-9]*/comm') if p.read_text().strip() == 'tritonserver']"
    docker("exec", name, "python", "-c", kill)
    deadline = time.monotonic() + READY_S
    while not is_well(url):
        assert time.monotonic() < deadline, docker("logs", name)
        time.sleep(0.5)
    assert whole_result(url, "brain_mri")[1]["model"] == "brain_mri"


def test_it_runs_as_nobody_and_stops_when_it_is_told(container):
    name, _ = container
    assert docker("exec", name, "id", "-u") == "10001"
    started = time.monotonic()
    docker("stop", "--time", "30", name)
    assert time.monotonic() - started < 30
    assert docker("inspect", "--format", "{{.State.ExitCode}}", name) == "0"


def test_models_that_cannot_be_served_are_told(image, tmp_path):
    (tmp_path / "mine").mkdir()
    command = ["docker", "run", "--rm", "--volume", f"{tmp_path}:/opt/ml/model:ro", image, "serve"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "/opt/ml/model/mine has no card.json" in done.stderr) == (2, True), done.stderr
