"""The image for a GPU, as far as a machine without one goes; only with --gpu-image, since its packages are 1.5 GB."""

import subprocess

import pytest

from testbed.servers import PROJECT
from tests.compose.stack import Stack

pytestmark = pytest.mark.timeout(1800)

LARGEST = 2_500_000_000  # bytes; docs/compose.md states the size
PROBLEM = "from inference_server.backends.onnxruntime import cuda_libraries; print(cuda_libraries.problem())"


@pytest.fixture(scope="module")
def image(engine, request):
    """Its name."""
    if not request.config.getoption("--gpu-image"):
        pytest.skip("it is built with --gpu-image only")
    project = Stack()
    try:
        files = [PROJECT / "docker-compose.gpu.yml"]
        project.compose("build", "triton", files=files, timeout_s=1500)
        yield f"{project.project}-triton-gpu"
    finally:
        project.compose("down", "--rmi", "all", files=files)


def docker(*arguments):
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_it_is_no_larger_than_stated(image):
    code, size = docker("image", "inspect", "--format={{.Size}}", image)
    assert (code, int(size) < LARGEST) == (0, True), size


def test_it_lacks_nothing_but_the_driver(image):
    """Each library of CUDA and cuDNN loads, and ONNX Runtime's provider, up to the one that comes from the machine."""
    code, output = docker("run", "--rm", image, "python", "-c", PROBLEM)
    assert code == 0, output
    assert output.startswith("There is no NVIDIA driver (libcuda.so.1:"), output


def test_without_a_gpu_it_is_refused(image):
    code, output = docker("run", "--rm", "--read-only", "--tmpfs=/tmp:exec", image)
    assert code == 1, output
    assert "ONCO_TRITON_DEVICE=gpu: There is no NVIDIA driver here" in output


def test_on_a_gpu_or_else_the_cpu_it_serves(image):
    settings = ("--env=ONCO_TRITON_DEVICE=auto", "--env=ONCO_TRITON_WORK_DIRECTORY=/tmp/triton")
    options = ("--rm", "--read-only", "--tmpfs=/tmp:exec", "--shm-size=256m", *settings)
    code, output = docker("run", *options, image, "python", "-m", "inference_server", "--", "true")
    assert code == 0, output
    assert "The models run on the CPU, as no GPU works: There is no NVIDIA driver here" in output
