"""The real container of an endpoint of SageMaker, started as SageMaker starts it."""

import contextlib
import secrets
import subprocess
import time

import httpx
import pytest

from oncoserve.jobs.job import Fault
from oncoserve.jobs.sagemaker.endpoint_answers import Answer, read_answer
from testbed.encoded_pictures import encoded, scan
from testbed.servers import PROJECT, free_port
from tests.compose.stack import KILL, LONGEST_BUILD_S

pytestmark = pytest.mark.long  # the image alone takes a minute or two to be built
READY_S = 180
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
DEAD_OF_THE_FIRST = """
import pathlib
found = [each.read_text().rsplit(")", 1)[1].split()[:2] for each in pathlib.Path("/proc").glob("[0-9]*/stat")]
print(found.count(["Z", "1"]))
"""


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


@contextlib.contextmanager
def serving(image, *options, inside=8080):
    """Read-only, without rights, with Docker's own 64 MB of shared memory: SageMaker may give more of each."""
    port = free_port()
    hardened = ["--read-only", "--tmpfs=/tmp:exec", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    name = docker("run", "--detach", *hardened, *options, "--publish", f"127.0.0.1:{port}:{inside}", image, "serve")
    try:
        url = f"http://127.0.0.1:{port}"
        until_well(name, url)
        yield name, url
    finally:
        docker("rm", "--force", "--volumes", name)


def until_well(name, url):
    deadline = time.monotonic() + READY_S
    while not is_well(url):
        assert time.monotonic() < deadline, docker("logs", name)
        time.sleep(0.5)


@pytest.fixture(scope="module")
def container(image):
    with serving(image) as running:
        yield running


def is_well(url):
    try:
        return httpx.get(f"{url}/ping", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def whole_result(url, model=None):
    """Names and document, as the settler reads them."""
    headers = {"Accept": "application/zip"} | ({} if model is None else {ATTRIBUTES: f"model={model}"})
    answer = httpx.post(f"{url}/invocations", content=encoded(scan(seed=9)), headers=headers, timeout=120)
    assert answer.status_code == 200, answer.text
    found = read_answer(answer.content, model or "brain_mri")
    assert isinstance(found, Answer), found
    return found.archive.namelist(), found.document


@pytest.mark.parametrize("model", ["brain_mri", "brain_tumour", "he_tissue"])
def test_it_answers_with_the_models_of_the_image(container, model):
    names, document = whole_result(container[1], model)
    assert document["model"] == model
    assert set(names) == {"result.json", *document["files"].values()}


@pytest.mark.parametrize("part", ["tritonserver", "triton_python_backend_stub"])
def test_a_part_that_is_killed_comes_back_and_none_is_left_dead(container, part):
    """What Triton leaves behind falls to the container's first process; SageMaker asks for no init."""
    name, url = container
    docker("exec", name, "python", "-c", KILL, part)
    until_away(url)
    until_well(name, url)
    assert whole_result(url, "brain_mri")[1]["model"] == "brain_mri"
    assert docker("exec", name, "python", "-c", DEAD_OF_THE_FIRST) == "0"


def until_away(url):
    deadline = time.monotonic() + 30
    while is_well(url):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_is_no_picture_is_a_problem_in_the_archive(container):
    headers = {ATTRIBUTES: "model=brain_mri", "Accept": "application/zip"}
    answer = httpx.post(f"{container[1]}/invocations", content=b"no picture", headers=headers, timeout=60)
    found = read_answer(answer.content, "brain_mri")
    assert isinstance(found, Fault)
    assert (answer.status_code, found.code) == (200, "unsupported_image")


def test_it_runs_as_nobody_and_stops_when_it_is_told(container):
    name, _ = container
    assert docker("exec", name, "id", "-u") == "10001"
    started = time.monotonic()
    docker("stop", "--time", "30", name)
    assert time.monotonic() - started < 30
    assert docker("inspect", "--format", "{{.State.ExitCode}}", name) == "0"


@pytest.fixture
def own(tmp_path):
    """A folder for /opt/ml/model; the container's user is another one."""
    tmp_path.chmod(0o755)
    return tmp_path


def test_models_of_the_endpoint_are_served_instead_at_the_port_that_sagemaker_says(image, own):
    """Read-only, as SageMaker mounts them: a model of the image under another name, which it would not know."""
    docker("create", "--name", (source := f"models-{secrets.token_hex(4)}"), image)
    try:
        docker("cp", f"{source}:/app/model_repository/brain_mri", str(own / "brain_mri"))
    finally:
        docker("rm", source)
    options = ["--volume", f"{own}:/opt/ml/model:ro", "--env", "SAGEMAKER_BIND_TO_PORT=9005"]
    ports = ["--env", "SAGEMAKER_SAFE_PORT_RANGE=9006-9010"]
    with serving(image, *options, *ports, inside=9005) as (_, url):
        assert whole_result(url)[1]["model"] == "brain_mri"  # the only one, so that it needs no name
        refused = httpx.post(f"{url}/invocations", content=b"x", headers={ATTRIBUTES: "model=he_tissue"}, timeout=60)
        assert (refused.status_code, refused.json()["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("mode", "words"), [(0o755, "/opt/ml/model/mine has no card.json"), (0o700, "cannot be read by user 10001")]
)
def test_models_that_cannot_be_served_are_told(image, own, mode, words):
    (own / "mine").mkdir(mode=mode)
    command = ["docker", "run", "--rm", "--volume", f"{own}:/opt/ml/model:ro", image, "serve"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr
