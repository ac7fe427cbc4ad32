"""Triton's `backend: "onnxruntime"`: a Python-based backend that runs any model.onnx, on the CPU or on a GPU.

NVIDIA's images bring a native backend of the same name, so one config.pbtxt serves with either. Triton loads this
file from its backend directory, where its neighbours lie beside it and the package `inference_server` does not exist.
"""

import ctypes
import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton

if TYPE_CHECKING:
    from inference_server.backends.onnxruntime import cuda_libraries, onnx_batches, sessions
    from inference_server.backends.onnxruntime.onnx_batches import Tensor
else:
    import cuda_libraries
    import onnx_batches
    import sessions

# With it the configuration declares the outputs of all versions; without, one that a graph lacks is a mistake.
_VERSIONS_DIFFER = "oncoserve_versions_differ"
_THREADS = "intra_op_thread_count"  # the parameter that NVIDIA's backend reads as well

# A request with this parameter asks whether the model answers; it says so without running the graph.
_CANARY = "oncoserve_canary"
_FORGETTING = 0.99  # of the longest execution at each further one: the last hundred or so count

_CONSUMED = b"used_dltensor"
_set_capsule_name = ctypes.pythonapi.PyCapsule_SetName
_set_capsule_name.argtypes = (ctypes.py_object, ctypes.c_char_p)


class TritonPythonModel:
    """One instance of one model; Triton calls it from one thread."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load the graph, compare it with the configuration and, on a GPU, run it once at every batch size.

        Raises:
            triton.TritonModelException: The graph is missing, does not fit the configuration, or cannot run on the
                device that the configuration names.
        """
        config = json.loads(args["model_config"])
        path = Path(args["model_repository"], args["model_version"], config["default_model_filename"] or "model.onnx")
        if not path.is_file():
            raise triton.TritonModelException(f"{path.name} is missing ({path}): export the model, or add it anew")
        self._batched = config["max_batch_size"] > 0
        on_gpu = args["model_instance_kind"] == "GPU"
        device_id = args["model_instance_device_id"]
        self._sessions = _sessions_on_gpu(path, config, device_id) if on_gpu else _sessions_on_cpu(path, config)
        device = f"cuda:{device_id}" if on_gpu else "cpu"
        self._about = {
            _CANARY: 1,
            "whole": False,
            "sha256": _sha256(path),
            "loaded": f"{os.getpid()} {time.time_ns()}",
            "device": device,
        }
        self._longest_s = 0.0
        self._inputs = [entry["name"] for entry in config["input"]]
        outputs = _graph_tensors(self._sessions.outputs)
        declared = config["output"]
        if _VERSIONS_DIFFER in config["parameters"]:
            declared = onnx_batches.of_version(declared, outputs)
        problems = _mismatches(config["input"], self._sessions.inputs, batched=self._batched)
        problems += onnx_batches.mismatches(declared, outputs, batched=self._batched)
        self._outputs = {entry["name"] for entry in declared}
        self._configured = {entry["name"] for entry in config["output"]}
        missing = {node.name for node in self._sessions.inputs}.difference(self._inputs)
        problems += [f"input {name} is not in config.pbtxt" for name in sorted(missing)]
        if problems:
            raise triton.TritonModelException(f"config.pbtxt does not fit {path}: {'; '.join(problems)}")
        # A CPU is warmed up by the requests in config.pbtxt. None also for a model that takes any shape.
        self._zeros = onnx_batches.zeros(config["input"], batched=self._batched) if on_gpu else None
        if self._zeros is not None:
            self._warm_up(self._zeros, device)

    def _warm_up(self, zeros: Mapping[str, "Tensor"], device: str) -> None:
        """Run every session."""
        try:
            self._sessions.warm_up(zeros)
        except Exception as error:  # ONNX Runtime's errors share no base
            raise triton.TritonModelException(f"the graph does not run on {device}: {error}") from error

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer the requests of one dynamic batch, in order, with as few executions as their shapes allow."""
        # An object for each: one that answered two requests ended Triton with a segmentation fault.
        responses = [_error("cancelled by the client", triton.TritonError.CANCELLED) for _ in requests]
        waiting, wanted = [], []
        for position, request in enumerate(requests):
            if _CANARY in request.parameters():  # JSON, and nearly always empty
                responses[position] = self._answer_canary(request)
            elif lacking := (names := self._wanted(request)) - self._outputs:
                message = f"this version has no output {_listed(lacking)}; it has {_listed(self._outputs)}"
                responses[position] = _error(message, triton.TritonError.INVALID_ARG)
            elif not request.is_cancelled():
                waiting.append(position)
                wanted.append(names)
        tensors = [self._read(requests[position]) for position in waiting]
        for group in onnx_batches.group_by_shape(tensors, batched=self._batched):
            answers = self._answer([wanted[place] for place in group], [tensors[place] for place in group])
            for place, answer in zip(group, answers, strict=True):
                responses[waiting[place]] = answer
        return responses

    def _answer_canary(self, request: Any) -> Any:  # noqa: ANN401 - as below
        """Say what is served: JSON in place of an output, since responses have no parameters in Triton 2.51."""
        about = json.dumps({**self._about, "longest_s": self._longest_s}).encode()
        name = min(request.requested_output_names())
        return triton.InferenceResponse([_tensor(name, np.frombuffer(bytearray(about), np.uint8)[np.newaxis])])

    def _read(self, request: Any) -> dict[str, "Tensor"]:  # noqa: ANN401 - Triton's types are not published
        """View the inputs in shared memory.

        Through DLPack, as the outputs leave: the stub of Triton 2.51 was built for NumPy 1, and with NumPy 2 its
        as_numpy() and Tensor() give zeros and empty tensors without an error.
        """
        inputs = {name: triton.get_input_tensor_by_name(request, name) for name in self._inputs}
        # ONNX Runtime computes in place on what it is given, which shared memory may have put at an odd address.
        return {name: np.require(np.from_dlpack(tensor), requirements="A") for name, tensor in inputs.items()}

    def _answer(self, wanted: Sequence[set[str]], tensors: Sequence[Mapping[str, "Tensor"]]) -> list[Any]:
        """Execute requests together; if that fails, one at a time, so that only the culprit gets the error.

        Args:
            wanted: of each request the names of its outputs.
            tensors: of each request its inputs.
        """
        try:
            return self._execute_together(wanted, tensors)
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors share no base; one request must not end a model
            if len(tensors) == 1:
                self._end_if_broken()
                return [_error(str(error), triton.TritonError.INTERNAL)]
        singles = (self._answer([names], [inputs]) for names, inputs in zip(wanted, tensors, strict=True))
        return [answer for (answer,) in singles]

    def _end_if_broken(self) -> None:
        """End this process where a GPU cannot even compute zeros any more.

        CUDA gives an error of the card at every call after it, for as long as the process lives, and a canary that runs
        no graph does not see it. The launcher starts another process, which says at its load what is wrong.
        """
        if self._zeros is None:
            return
        try:
            self._sessions.run_smallest(self._zeros)
        except Exception as error:  # noqa: BLE001 - as above
            sys.stderr.write(f"{self._about['device']} fails at every execution, so this process ends: {error}\n")
            sys.stderr.flush()
            os._exit(1)  # an exception would only become the answer to a request

    def _execute_together(self, wanted: Sequence[set[str]], tensors: Sequence[Mapping[str, "Tensor"]]) -> list[Any]:
        """Run the graph once for all requests; only outputs that a request asks for are computed."""
        names = sorted(set().union(*wanted))
        started = time.monotonic()
        outputs = dict(zip(names, self._sessions.run(names, tensors), strict=True))
        self._longest_s = max(time.monotonic() - started, _FORGETTING * self._longest_s)
        answers = [outputs]
        if self._batched:
            rows = [onnx_batches.rows([inputs]) for inputs in tensors]
            answers = onnx_batches.split(outputs, rows, self._sessions.filled(sum(rows)))
        return [
            triton.InferenceResponse([_tensor(name, answer[name]) for name in names if name in asked])
            for answer, asked in zip(answers, wanted, strict=True)
        ]

    def _wanted(self, request: Any) -> set[str]:  # noqa: ANN401 - as above
        """The outputs to compute; whoever names none asks for all of the configuration, and gets this version's."""
        names = set(request.requested_output_names())
        return self._outputs if names >= self._configured else names


def _tensor(name: str, array: "Tensor") -> Any:  # noqa: ANN401
    """Hand an array over without a copy, and mark its capsule as DLPack wants it.

    Triton marks a consumed capsule with a name of its own, which NumPy reports as an error at every answer.
    """
    capsule = array.__dlpack__()
    tensor = triton.Tensor.from_dlpack(name, capsule)
    _set_capsule_name(capsule, _CONSUMED)
    return tensor


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def _error(message: str, code: int) -> Any:  # noqa: ANN401
    return triton.InferenceResponse(error=triton.TritonError(message, code))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mismatches(entries: Sequence[Mapping[str, object]], nodes: Sequence[Any], *, batched: bool) -> list[str]:
    return onnx_batches.mismatches(entries, _graph_tensors(nodes), batched=batched)


def _graph_tensors(nodes: Sequence[Any]) -> dict[str, "onnx_batches.GraphTensor"]:
    return {node.name: onnx_batches.GraphTensor(node.type, node.shape) for node in nodes}


def _session_options(config: Mapping[str, Any]) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    configured = int(config["parameters"].get(_THREADS, {}).get("string_value", 0))
    options.intra_op_num_threads = configured or int(os.environ["ONCO_TRITON_THREADS"])
    # Waiting threads must not keep busy the cores on which the frontend decodes pictures.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _sessions_on_cpu(path: Path, config: Mapping[str, Any]) -> sessions.Sessions:
    return sessions.Sessions(path, _session_options(config), sessions.CPU, config["max_batch_size"])


def _sessions_on_gpu(path: Path, config: Mapping[str, Any], device_id: str) -> sessions.Sessions:
    """Load the graph on a GPU and nowhere else.

    Raises:
        triton.TritonModelException: A library is missing, or ONNX Runtime would compute on the CPU instead.
    """
    if reason := cuda_libraries.problem():
        raise triton.TritonModelException(f"KIND_GPU is impossible: {reason}")
    try:
        device = sessions.on_gpu(device_id, config["parameters"])
        return sessions.Sessions(path, _session_options(config), device, config["max_batch_size"])
    except Exception as error:  # ONNX Runtime's errors share no base
        raise triton.TritonModelException(f"the graph cannot be loaded on cuda:{device_id}: {error}") from error
