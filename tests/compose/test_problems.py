"""`docker compose up` ends with a message that names the cause; docs/compose.md shows the same messages."""

import socket
import subprocess

import pytest

from testbed.servers import PROJECT
from tests.compose.stack import Stack

pytestmark = pytest.mark.timeout(900)

GPU = "docker-compose.gpu.yml"
BRAIN_MRI = PROJECT / "model_repository" / "brain_mri" / "config.pbtxt"


@pytest.fixture(scope="module")
def another(engine):
    """A project of its own, its images built, nothing running."""
    with Stack() as project:
        yield project


@pytest.fixture
def up(another):
    """Runs `docker compose up` in the foreground, which must fail, and returns what it printed."""

    def run(*files, **variables):
        code, output = another.try_compose("up", files=files, timeout_s=120, **variables)
        assert code != 0, output
        return output

    yield run
    another.compose("down", "--timeout", "1")


@pytest.fixture
def mounted(tmp_path):
    """Writes a Compose file that lays something over a place in the model repository of the images."""

    def write(source, target):
        volume = f"{source}:/app/model_repository/{target}:ro"
        file = tmp_path / "override.yml"
        file.write_text(f"services: {{check-triton: {{volumes: ['{volume}']}}}}\n")
        return file

    return write


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("dims: [ 4 ]", "dims: [ 5 ]", "probabilities is [-1, 5] in config.pbtxt and [-1, 4] in the graph"),
        ("dims: [ 4 ]", "dims: [ 4 ", "Error parsing text-format inference.ModelConfig"),
    ],
    ids=["shape", "syntax"],
)
def test_a_broken_configuration_is_named(up, mounted, tmp_path, right, wrong, message):
    text = BRAIN_MRI.read_text()
    assert right in text
    broken = tmp_path / "config.pbtxt"
    broken.write_text(text.replace(right, wrong, 1))
    output = up(mounted(broken, "brain_mri/config.pbtxt"))
    assert message in output
    assert "brain_mri" in output
    assert 'service "check-triton" didn\'t complete successfully' in output


def test_a_model_without_weights_is_named(up, mounted, tmp_path):
    folder = tmp_path / "lung_ct"
    folder.mkdir()
    (folder / "config.pbtxt").write_text(BRAIN_MRI.read_text())
    output = up(mounted(folder, "lung_ct"))
    assert "failed to load model 'lung_ct': at least one version must be available" in output
    assert 'service "check-triton" didn\'t complete successfully' in output


@pytest.mark.parametrize(("service", "limit"), [("triton", "300m"), ("frontend", "30m")])
def test_too_little_memory_is_named(up, service, limit):
    output = up(**{f"{service.upper()}_MEMORY": limit})
    assert f"Killed for want of memory: set ONCOSERVE_{service.upper()}_MEMORY in .env to more." in output
    assert f'service "check-{service}" didn\'t complete successfully' in output


def test_a_setting_that_nobody_reads_is_named(up, tmp_path):
    file = tmp_path / "override.yml"
    file.write_text("services: {check-frontend: {environment: {ONCO_MAX_UPLOAD: '1'}}}\n")
    assert "unknown setting ONCO_MAX_UPLOAD" in up(file)


def test_a_taken_port_is_named(up):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        output = up(GRPC_PORT=port)
    assert f"127.0.0.1:{port}: bind: address already in use" in output


def test_a_gpu_that_is_not_there_is_named(up, tmp_path):
    file = tmp_path / "override.yml"
    file.write_text("services: {check-triton: {environment: {ONCO_TRITON_DEVICE: gpu}}}\n")
    output = up(file)
    assert "ONCO_TRITON_DEVICE=gpu: There is no NVIDIA driver here (libcuda.so.1: cannot open shared object" in output
    assert 'service "check-triton" didn\'t complete successfully' in output


def test_a_docker_without_nvidias_toolkit_is_named(another, up, tmp_path):
    runtimes = subprocess.check_output(["docker", "info", "--format", "{{json .Runtimes}}"], env=another.env, text=True)
    if "nvidia" in runtimes:
        pytest.skip("this engine has it")
    image = another.compose("config", "--images", "triton").split()[0]
    file = tmp_path / "override.yml"  # the other image says the same, and takes minutes to build
    file.write_text(f"services: {{check-triton: {{image: {image}}}, triton: {{image: {image}}}}}\n")
    assert 'could not select device driver "nvidia" with capabilities: [[gpu]]' in up(PROJECT / GPU, file)
