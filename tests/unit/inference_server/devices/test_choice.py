"""Every reason why a GPU does not work, found by the real trial in its process.

No machine of this project has a GPU: its driver is a small library made here, which answers what the environment says,
and where ONNX Runtime with CUDA matters, so is that.
"""

import asyncio
import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from inference_server.devices import choice, gpu_probe
from inference_server.launch_errors import LaunchError
from inference_server.triton_settings import TritonSettings
from supervision.stop_signals import STOP_SIGNALS
from testbed.servers import free_ports
from tests.integration.supervised import wait_until

DRIVER = """
#include <stdlib.h>
#include <string.h>
static int number(const char *name, int other) { const char *text = getenv(name); return text ? atoi(text) : other; }
int cuInit(unsigned flags) { return number("FAKE_INIT", 0); }
int cuDriverGetVersion(int *version) { *version = number("FAKE_VERSION", 13000); return 0; }
int cuDeviceGetCount(int *count) { *count = number("FAKE_COUNT", 1); return 0; }
int cuDeviceGet(int *device, int place) { *device = place; return 0; }
int cuDeviceGetName(char *name, int size, int device) {
  const char *shown = getenv("CUDA_VISIBLE_DEVICES");
  strncpy(name, "Fake GPU", size);
  if (shown) strncat(strncat(name, " of ", 5), shown, 99);
  return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device) { return device ? number("FAKE_CONTEXT", 0) : 0; }
int cuDevicePrimaryCtxRelease_v2(int device) { return 0; }
int cuCtxSetCurrent(void *context) { return 0; }
int cuMemGetInfo_v2(size_t *free, size_t *total) { *free = 3l << 30; *total = 8l << 30; return 0; }
int cuGetErrorName(int code, const char **name) { *name = code == 100 ? "CUDA_ERROR_NO_DEVICE" : 0; return *name == 0; }
"""
LIBRARIES = (
    "libcudart.so.13", "libcublasLt.so.13", "libcublas.so.13", "libnvrtc.so.13", "libcufft.so.12", "libcurand.so.10",
    "libcudnn.so.9", "libcudnn_graph.so.9", "libcudnn_ops.so.9", "libcudnn_heuristic.so.9",
    "libcudnn_engines_precompiled.so.9", "libcudnn_engines_runtime_compiled.so.9",
)  # fmt: skip
PROVIDER = "onnxruntime/capi/libonnxruntime_providers_cuda.so"
ONNX_RUNTIME = """
import os
import numpy as np
__version__, cuda_version = "1.31.1", "13.0"
answer = os.environ.get("FAKE_ANSWER", "")

def get_available_providers(): return ["CUDAExecutionProvider", "CPUExecutionProvider"]
def preload_dlls(): print("what it prints is no part of the result")

class InferenceSession:
    def __init__(self, graph, providers, enable_fallback):
        assert enable_fallback == 0
        if answer == "crash": os.abort()
        if answer == "full": raise RuntimeError("[ONNXRuntimeError] CUDA failure 2: out of memory ; GPU=0 ; file=a.cc")
        if answer == "second" and providers[0][1]["device_id"] == "1": raise RuntimeError("CUDA failure 9: no ; GPU=1")
        if answer == "fail": raise RuntimeError("line 70 CUDA failure 36: not supported ; GPU=-1 ; file=a.cc")
    def get_providers(self): return get_available_providers()[answer == "elsewhere":]
    def run(self, names, inputs):
        x = inputs["x"]
        y = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3)).sum(axis=(4, 5))
        return [y + (answer == "wrong")]
"""


def compile_library(path, source=""):
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-o", path, "-"], input=source, text=True, check=True)


@pytest.fixture(scope="module")
def compiled(unavailable, tmp_path_factory):
    """A folder with the driver, and one with the libraries of CUDA and cuDNN and ONNX Runtime with CUDA."""
    folder = tmp_path_factory.mktemp("gpu")
    driver, cuda = folder / "driver", folder / "cuda"
    (cuda / "onnxruntime/capi").mkdir(parents=True)
    driver.mkdir()
    try:
        compile_library(driver / "libcuda.so.1", DRIVER)
    except FileNotFoundError:
        unavailable("compiler", "there is no C compiler, which makes a driver for this test")
    compile_library(cuda / LIBRARIES[0])
    for name in (*LIBRARIES[1:], PROVIDER):
        (cuda / name).write_bytes((cuda / LIBRARIES[0]).read_bytes())
    (cuda / "onnxruntime/__init__.py").write_text(ONNX_RUNTIME)
    return driver, cuda


@pytest.fixture
def machine(compiled, monkeypatch):
    """Puts the trial on a machine with the driver and, `cuda=True`, with everything; the rest is told to both."""

    def have(*, cuda=True, **environ):
        driver, libraries = compiled
        monkeypatch.setenv("LD_LIBRARY_PATH", f"{driver}:{libraries}" if cuda else str(driver))
        monkeypatch.setenv("PYTHONPATH", f"{libraries}:." if cuda else ".")
        for name, value in environ.items():
            monkeypatch.setenv(name, str(value))
        return libraries

    return have


def reason(**settings):
    return asyncio.run(choice.probe(TritonSettings(**settings))).reason


def test_a_gpu_that_works_is_described(machine):
    machine(FAKE_COUNT=2)
    found = asyncio.run(choice.probe(TritonSettings()))
    assert found.works
    assert str(found).startswith("Fake GPU (3072 of 8192 MiB free), Fake GPU (3072 of 8192 MiB free), NVIDIA driver ")


def test_the_chosen_gpus_are_tried_by_the_numbers_of_nvidia_smi(machine, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    machine(FAKE_COUNT=2)
    found = asyncio.run(choice.probe(TritonSettings(gpus="5,2")))
    assert [device.name for device in found.devices] == ["Fake GPU of 5,2"] * 2
    assert found.works
    assert choice.visible(TritonSettings()) == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def test_a_machine_without_a_driver_is_told_which_it_needs():
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        assert "There is no NVIDIA driver here (libcuda.so.1" in reason()
        assert "Install driver 580 or newer" in reason()
        return
    pytest.skip("this machine has one")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"FAKE_VERSION": 12020}, "is too old: it runs CUDA 12.2, and CUDA 13 is installed, which needs driver 580 or"),
        ({"FAKE_INIT": 100}, "finds no GPU that works: cuInit says CUDA_ERROR_NO_DEVICE"),
        ({"FAKE_INIT": 999}, "finds no GPU that works: cuInit says error 999"),
        ({"FAKE_COUNT": 0}, "shows no GPU to this process"),
        ({"FAKE_COUNT": 2, "FAKE_CONTEXT": 2}, "GPU 1 (Fake GPU) has no memory left: end what uses it"),
        (
            {"FAKE_COUNT": 2, "FAKE_CONTEXT": 46},
            "GPU 1 (Fake GPU) does not work: cuDevicePrimaryCtxRetain says error",
        ),
        ({"FAKE_ANSWER": "full"}, "GPU 0 (Fake GPU) has no memory left: end what uses it"),
        ({"FAKE_ANSWER": "fail"}, "GPU 0 (Fake GPU) does not compute: CUDA failure 36: not supported."),
        ({"FAKE_COUNT": 2, "FAKE_ANSWER": "second"}, "GPU 1 (Fake GPU) does not compute: CUDA failure 9: no."),
        ({"FAKE_ANSWER": "elsewhere"}, "ONNX Runtime does not use it, but CPUExecutionProvider"),
        ({"FAKE_ANSWER": "wrong"}, "GPU 0 (Fake GPU) computes wrong numbers"),
        ({"FAKE_ANSWER": "crash"}, "Trying the GPU ended with SIGABRT: the driver, or a library of CUDA or cuDNN, is"),
    ],
)
def test_what_fails_is_named(machine, environ, words):
    machine(**environ)
    assert words in reason()


def test_the_package_without_cuda_is_named(machine):
    machine(cuda=False)
    assert "is the one without CUDA: install requirements-gpu.lock" in reason()


@pytest.mark.parametrize(
    "name", [LIBRARIES[1], LIBRARIES[5], LIBRARIES[6], LIBRARIES[7], LIBRARIES[10], LIBRARIES[11], PROVIDER]
)
def test_a_missing_library_is_named_and_no_other(machine, name):
    library = machine() / name
    content = library.read_bytes()
    library.unlink()
    try:
        text = reason()
    finally:
        library.write_bytes(content)
    assert f"{name}: there is no such file. Install requirements-gpu.lock anew" in text
    assert [other for other in LIBRARIES if other in text] == [name] * (name in LIBRARIES)


def test_a_number_that_no_gpu_has_is_refused(machine):
    machine()
    assert "ONCO_TRITON_GPUS=0,7: only the first 1 of these were found" in reason(gpus="0,7")
    machine(FAKE_INIT=100)  # all of them
    assert "NO_DEVICE. ONCO_TRITON_GPUS=99 shows it no others: `nvidia-smi -L`" in reason(gpus="99")


def test_a_driver_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(choice, "PROBE_S", 0.01)
    assert reason().startswith("The GPU gave no answer for 0 s")


def test_a_trial_that_leaves_something_behind_is_given_up_all_the_same(monkeypatch, tmp_path):
    left = "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"
    (tmp_path / "onnxruntime.py").write_text(left)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:.")
    monkeypatch.setattr(choice, "PROBE_S", 2.0)

    async def reason():
        async with asyncio.timeout(30):
            return (await choice.probe(TritonSettings())).reason

    assert asyncio.run(reason()).startswith("The GPU gave no answer for 2 s")


def test_a_trial_that_is_stopped_ends_with_a_launcher_that_is_killed(tmp_path):
    told = tmp_path / "pid"
    (tmp_path / "onnxruntime.py").write_text(
        f"import os, signal; open({str(told)!r}, 'w').write(f'{{os.getpid()}} '); os.kill(os.getpid(), signal.SIGSTOP)"
    )
    env = {"PYTHONPATH": f"{tmp_path}:."}
    source = (
        "import asyncio; from inference_server.devices import choice; from inference_server.triton_settings import *; "
        "asyncio.run(choice.probe(TritonSettings()))"
    )
    with subprocess.Popen([sys.executable, "-c", source], env={**os.environ, **env}) as launcher:
        wait_until(lambda: told.exists() and told.read_text().endswith(" "))
        launcher.kill()
    stat = Path("/proc", told.read_text().strip(), "stat")
    wait_until(lambda: not stat.exists() or ") Z " in stat.read_text())


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_stop_is_heard_while_the_gpu_is_tried(tmp_path, number):
    (tmp_path / "onnxruntime.py").write_text("import time; time.sleep(600)")
    ports = zip(("GRPC", "METRICS", "STATUS"), map(str, free_ports(3)), strict=True)
    env = {f"ONCO_TRITON_{name}_PORT": port for name, port in ports}
    env |= {"ONCO_TRITON_DEVICE": "gpu", "ONCO_TRITON_MODEL_REPOSITORY": str(tmp_path), "PYTHONPATH": f"{tmp_path}:."}
    argv = [sys.executable, "-m", "inference_server"]
    with subprocess.Popen(argv, env={**os.environ, **env}, stderr=subprocess.PIPE, text=True) as launcher:
        assert launcher.stderr.readline() == "Trying the GPU ...\n"
        launcher.send_signal(number)
        assert launcher.stderr.read() == "Stopping ...\n"
    assert launcher.returncode == 0


def test_a_trial_that_says_nothing_is_told_with_its_last_line(monkeypatch, tmp_path):
    (tmp_path / "numpy.py").write_text("raise ImportError('numpy is broken')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:.")
    assert reason() == "Trying the GPU ended with exit code 1: ImportError: numpy is broken."


def test_the_graph_of_the_trial_is_a_convolution_that_onnx_runtime_computes():
    picture = np.arange(64, dtype=np.float32).reshape(1, 1, 8, 8)
    (answer,) = onnxruntime.InferenceSession(gpu_probe.GRAPH).run(["y"], {"x": picture})
    assert answer.shape == (1, 1, 6, 6)
    assert answer[0, 0, 5, 5] == picture[0, 0, 5:, 5:].sum()
    assert [node.op_type for node in onnx.load_from_string(gpu_probe.GRAPH).graph.node] == ["Conv"]


def chosen_with(**settings):
    said = []
    return asyncio.run(choice.choose(TritonSettings(**settings), said.append)), said


def test_a_gpu_that_does_not_work_is_refused_or_replaced(machine):
    machine(FAKE_VERSION=12020)
    with pytest.raises(
        LaunchError, match=r"ONCO_TRITON_DEVICE=gpu: .*too old.* on the CPU instead: ONCO_TRITON_DEVICE"
    ):
        chosen_with(device="gpu")
    for named, chosen in (("", ""), ("gpu", ""), ("mine", "mine")):
        settings, said = chosen_with(device="auto", model_config_name=named)
        assert (settings.device, settings.model_config_name) == ("cpu", chosen)
        assert said[-1].startswith("The models run on the CPU, as no GPU works: The NVIDIA driver")


@pytest.mark.parametrize("device", ["gpu", "auto"])
def test_a_gpu_that_works_is_used_with_its_configurations(machine, device):
    machine()
    for named, chosen in (("", "gpu"), ("mine", "mine")):
        settings, said = chosen_with(device=device, model_config_name=named)
        assert (settings.device, settings.model_config_name) == ("gpu", chosen)
        assert said[-1].startswith("The models run on the GPU: Fake GPU")


def test_a_cpu_is_not_asked_for_a_gpu(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere")
    settings, said = chosen_with(device="cpu", model_config_name="gpu")
    assert (settings.device, settings.model_config_name, said) == ("cpu", "gpu", [])
