"""The backend as Triton loads it: its files lie beside each other, and Triton's module is there."""

import json
import sys
import types

import numpy as np
import pytest

from inference_server.runtime import BACKENDS
from testbed.tiny_models import write_classifier

MODULES = ("model", "sessions", "onnx_batches", "cuda_libraries")


class TritonModelException(Exception):
    pass


@pytest.fixture
def model(monkeypatch):
    """The backend's module."""
    triton = types.ModuleType("triton_python_backend_utils")
    triton.TritonModelException = TritonModelException
    monkeypatch.setitem(sys.modules, triton.__name__, triton)
    monkeypatch.syspath_prepend(BACKENDS / "onnxruntime")
    monkeypatch.setenv("ONCO_TRITON_THREADS", "1")
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    import model  # noqa: PLC0415 - only there now

    yield model
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def arguments(tmp_path):
    write_classifier(tmp_path)
    image = {"name": "image", "data_type": "TYPE_UINT8", "dims": ["16", "16", "3"]}
    probabilities = {"name": "probabilities", "data_type": "TYPE_FP32", "dims": ["4"]}
    config = {"max_batch_size": 6, "default_model_filename": "", "parameters": {}}
    config |= {"input": [image], "output": [probabilities]}
    return {
        "model_config": json.dumps(config),
        "model_repository": str(tmp_path / "tiny"),
        "model_version": "1",
        "model_instance_kind": "GPU",
        "model_instance_device_id": "3",
    }


def test_a_gpu_instance_is_refused_where_libraries_are_missing(model, arguments):
    with pytest.raises(TritonModelException, match=r"KIND_GPU is impossible: The installed .* without CUDA"):
        model.TritonPythonModel().initialize(arguments)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_gpu_instance_is_refused_where_onnx_runtime_would_compute_on_the_cpu(model, arguments, monkeypatch):
    """As it does with a log line where CUDA does not load for a reason that nobody foresaw."""
    monkeypatch.setattr(model.cuda_libraries, "problem", lambda: "")
    with pytest.raises(TritonModelException, match="cuda:3: ONNX Runtime uses CPUExecutionProvider in place of"):
        model.TritonPythonModel().initialize(arguments)


@pytest.fixture
def cpu_as_gpu(model, monkeypatch):
    """Sessions as on a GPU, which the CPU runs."""

    def on_gpu(number, parameters):
        return model.sessions.Device("cpu of a GPU's sizes", int(number))

    monkeypatch.setattr(model.cuda_libraries, "problem", lambda: "")
    monkeypatch.setattr(model.sessions, "on_gpu", on_gpu)
    return model


def test_a_gpu_instance_runs_every_size_before_it_is_ready(cpu_as_gpu, arguments, monkeypatch):
    ran = []
    run = cpu_as_gpu.sessions._Session.run

    def counted(self, names, requests):
        outputs = run(self, names, requests)
        ran.append([self.rows, *(output.shape for output in outputs)])
        return outputs

    monkeypatch.setattr(cpu_as_gpu.sessions._Session, "run", counted)
    backend = cpu_as_gpu.TritonPythonModel()
    backend.initialize(arguments)
    for session in backend._sessions._sessions:
        assert not session._session._enable_fallback, "it would go on with the CPU where the GPU fails"
    runs = cpu_as_gpu.sessions._WARM_UP_RUNS
    assert ran == [[size, (size, 4)] for size in (1, 2, 4, 6) for _ in range(runs)]


def test_a_graph_that_does_not_run_on_the_gpu_is_refused(cpu_as_gpu, arguments, monkeypatch):
    def fail(self, names, requests):
        raise RuntimeError("CUDA failure 2: out of memory")

    monkeypatch.setattr(cpu_as_gpu.sessions._Session, "run", fail)
    with pytest.raises(TritonModelException, match="the graph does not run on cuda:3: CUDA failure 2: out of memory"):
        cpu_as_gpu.TritonPythonModel().initialize(arguments)


def test_a_model_of_any_shape_is_not_warmed_up(cpu_as_gpu, arguments, monkeypatch, tmp_path):
    write_classifier(tmp_path, "any_size", size=None)
    arguments["model_repository"] = str(tmp_path / "any_size")
    arguments["model_config"] = arguments["model_config"].replace('"16"', '"-1"')
    monkeypatch.setattr(cpu_as_gpu.sessions._Session, "run", lambda *_: pytest.fail("it ran"))
    cpu_as_gpu.TritonPythonModel().initialize(arguments)


class Ended(BaseException):
    """The process would be gone."""


@pytest.fixture
def asked(cpu_as_gpu, arguments, monkeypatch):
    """A loaded model, and a way to ask it for pictures of this side; what comes back are the texts of errors."""
    triton = sys.modules["triton_python_backend_utils"]
    triton.TritonError = types.SimpleNamespace(INTERNAL=13)
    monkeypatch.setattr(cpu_as_gpu, "_error", lambda message, code: message)
    monkeypatch.setattr(cpu_as_gpu.os, "_exit", lambda code: (_ for _ in ()).throw(Ended(code)))
    backend = cpu_as_gpu.TritonPythonModel()
    backend.initialize(arguments)

    def ask(*sides):
        tensors = [{"image": np.zeros((1, side, side, 3), np.uint8)} for side in sides]
        return backend._answer([{"probabilities"}] * len(sides), tensors)

    return ask


def test_a_request_that_fails_alone_ends_nothing(asked):
    (error,) = asked(15)
    assert "Got invalid dimensions for input: image" in error


def test_a_request_for_an_output_that_there_is_not_is_refused_and_leaves_its_batch_together(model, arguments):
    triton = sys.modules["triton_python_backend_utils"]
    triton.TritonError = types.SimpleNamespace(INTERNAL=13, INVALID_ARG=3, CANCELLED=1)
    model._error = lambda message, code: (code, message)
    config = json.loads(arguments["model_config"])
    config["output"].append({"name": "mask", "data_type": "TYPE_FP32", "dims": ["4", "4"]})
    config["parameters"]["oncoserve_versions_differ"] = {"string_value": "1"}
    backend = model.TritonPythonModel()
    backend.initialize(arguments | {"model_instance_kind": "CPU", "model_config": json.dumps(config)})
    ran = []
    backend._read = lambda request: {"image": np.zeros((1, 16, 16, 3), np.uint8)}
    backend._execute_together = lambda wanted, tensors: ran.append(len(wanted)) or ["answer"] * len(wanted)

    def request(*names):
        return types.SimpleNamespace(
            requested_output_names=lambda: names, parameters=lambda: "{}", is_cancelled=lambda: False
        )

    good = request("probabilities")
    answers = backend.execute([good, request("mask"), good])
    assert answers == ["answer", (3, "this version has no output mask; it has probabilities"), "answer"]
    assert ran == [2]


def test_a_gpu_that_fails_at_everything_ends_the_process(asked, cpu_as_gpu, monkeypatch, capsys):
    """Else each picture gets an error for ever, while the model is called ready."""

    def fail(self, names, requests):
        raise RuntimeError("CUDA failure 700: an illegal memory access was encountered")

    monkeypatch.setattr(cpu_as_gpu.sessions._Session, "run", fail)
    with pytest.raises(Ended):
        asked(16, 16)
    assert "cuda:3 fails at every execution" in capsys.readouterr().err


def test_an_output_that_the_graph_lacks_is_a_mistake_unless_versions_differ(model, arguments):
    config = json.loads(arguments["model_config"])
    config["output"][0]["dims"] = ["-1"]
    config["output"].append({"name": "mask", "data_type": "TYPE_FP32", "dims": ["4", "4"]})
    arguments |= {"model_instance_kind": "CPU", "model_config": json.dumps(config)}
    with pytest.raises(TritonModelException, match=r"probabilities is \[-1, -1\].*; mask is not in the graph"):
        model.TritonPythonModel().initialize(arguments)
    config["parameters"]["oncoserve_versions_differ"] = {"string_value": "1"}
    model.TritonPythonModel().initialize(arguments | {"model_config": json.dumps(config)})
    config["output"][0]["data_type"] = "TYPE_UINT8"
    with pytest.raises(TritonModelException, match=r"probabilities is TYPE_UINT8 in config.pbtxt"):
        model.TritonPythonModel().initialize(arguments | {"model_config": json.dumps(config)})
