"""Runs a graph on batches: on a CPU one session for every batch size, on a GPU one for each of a few sizes.

With every new shape the CUDA provider plans its convolutions anew, for tenths of a second, and forgets the plan for the
last one. A session that only ever sees one batch size plans once; smaller batches are filled up to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnxruntime

if TYPE_CHECKING:
    from inference_server.backends.onnxruntime import cuda_libraries, onnx_batches
    from inference_server.backends.onnxruntime.cuda_libraries import CUDA
    from inference_server.backends.onnxruntime.onnx_batches import Tensor
else:
    import cuda_libraries
    import onnx_batches
    from cuda_libraries import CUDA

# Options of the CUDA provider that config.pbtxt may set, by the same names among its `parameters`.
_CUDA_OPTIONS = ("cudnn_conv_algo_search", "enable_cuda_graph", "gpu_mem_limit", "prefer_nhwc", "use_tf32")
_WARM_UP_RUNS = 3  # the second or third is recorded as a CUDA graph, where these are on
_PINNED, _BOUND = "oncoserve_pinned", "oncoserve_bound"  # parameters of ours


class ProviderUnused(Exception):
    """ONNX Runtime made the session, but without the execution provider that was asked for."""


@dataclass(frozen=True)
class Device:
    """Where a graph runs, and how.

    Attributes:
        name: "cpu" or "cuda".
        number: CUDA's of the GPU.
        provider: ONNX Runtime's execution provider.
        options: Of the provider.
        pinned: Whether batches are joined in memory that the GPU can read by itself.
        bound: Whether inputs and outputs have memory of their own on the device, which CUDA graphs need.
    """

    name: str = "cpu"
    number: int = 0
    provider: str = "CPUExecutionProvider"
    options: Mapping[str, str] = field(default_factory=dict)
    pinned: bool = False
    bound: bool = False


CPU = Device()


def on_gpu(number: str, parameters: Mapping[str, Mapping[str, str]]) -> Device:
    """A GPU.

    Args:
        number: CUDA's.
        parameters: Of config.pbtxt.
    """
    given = {name: parameters[name]["string_value"] for name in parameters}
    # As quick as the exhaustive search on an H100, and planned in a fifth of the time; see docs/performance.md.
    options = {"device_id": number, "cudnn_conv_algo_search": "HEURISTIC"}
    options |= {name: given[name] for name in _CUDA_OPTIONS if name in given}
    bound = given.get(_BOUND) == "1" or options.get("enable_cuda_graph") == "1"
    return Device("cuda", int(number), CUDA, options, pinned=given.get(_PINNED) == "1", bound=bound)


class Sessions:
    """A graph, ready to run on batches of up to a number of rows.

    Args:
        graph: The file.
        options: For each session.
        device: Its provider must execute the graph; a node that it lacks may run on the CPU.
        max_batch_size: The most rows of a batch; 0 for a graph whose requests cannot be joined.

    Raises:
        ProviderUnused: ONNX Runtime would compute on the CPU instead.
    """

    def __init__(self, graph: Path, options: onnxruntime.SessionOptions, device: Device, max_batch_size: int) -> None:
        self._fixed = device.name != "cpu" and max_batch_size > 0
        sizes = onnx_batches.filled_sizes(max_batch_size) if self._fixed else [max_batch_size]
        kind = _BoundSession if self._fixed and device.bound else _Session
        self._sessions = [kind(graph, options, device, rows, fixed=self._fixed) for rows in sizes]

    @property
    def inputs(self) -> Sequence[Any]:
        """The graph's inputs, with `name`, `type` and `shape`."""
        return self._sessions[0].inputs

    @property
    def outputs(self) -> Sequence[Any]:
        """The graph's outputs, likewise."""
        return self._sessions[0].outputs

    def warm_up(self, rows: Mapping[str, "Tensor"]) -> None:
        """Run every session for all outputs: the first execution plans and takes memory, a later one is recorded.

        Args:
            rows: What one request may be: each of shape (1, ...) or, for a graph without a batch axis, (...).
        """
        for session in self._sessions:
            for _ in range(_WARM_UP_RUNS):
                session.run([output.name for output in self.outputs], [rows])

    def run_smallest(self, rows: Mapping[str, "Tensor"]) -> None:
        """Run the smallest session once, to see that the device computes; `rows` as for `warm_up`."""
        self._sessions[0].run([self.outputs[0].name], [rows])

    def filled(self, rows: int) -> int:
        """How many rows a batch of so many is filled up to."""
        return self._session_for(rows).rows if self._fixed else rows

    def run(self, names: Sequence[str], requests: Sequence[Mapping[str, "Tensor"]]) -> Sequence["Tensor"]:
        """Run the graph once on the rows of all requests.

        Args:
            names: The outputs to compute.
            requests: Their inputs by name, which agree in everything but the first axis.

        Returns:
            The outputs; those of a batch that was filled up go on after the rows of the requests.
        """
        session = self._session_for(onnx_batches.rows(requests)) if self._fixed else self._sessions[0]
        return session.run(names, requests)

    def _session_for(self, rows: int) -> "_Session":
        return next(each for each in self._sessions if each.rows >= rows)


class _Session:
    """A session for one number of rows or, not `fixed`, for up to so many."""

    def __init__(
        self, graph: Path, options: onnxruntime.SessionOptions, device: Device, rows: int, *, fixed: bool
    ) -> None:
        self.rows = rows
        # By default a session whose GPU fails goes on with the CPU, at its creation and at any run.
        providers = [(device.provider, dict(device.options))]
        self._session = onnxruntime.InferenceSession(graph, options, providers, enable_fallback=0)
        used = self._session.get_providers()[0]
        if used != device.provider:
            raise ProviderUnused(f"ONNX Runtime uses {used} in place of {device.provider}")
        self.inputs: Sequence[Any] = self._session.get_inputs()
        self.outputs: Sequence[Any] = self._session.get_outputs()
        self._device = device
        allocate = cuda_libraries.page_locked if device.pinned else None
        self._buffers = onnx_batches.Buffers(rows, filled=fixed, allocate=allocate)

    def run(self, names: Sequence[str], requests: Sequence[Mapping[str, "Tensor"]]) -> Sequence["Tensor"]:
        outputs: Sequence[Tensor] = self._session.run(names, self._buffers.joined(requests))
        return outputs


class _BoundSession(_Session):
    """One whose inputs and outputs have their places on the device: nothing is allocated from batch to batch."""

    def __init__(
        self, graph: Path, options: onnxruntime.SessionOptions, device: Device, rows: int, *, fixed: bool
    ) -> None:
        super().__init__(graph, options, device, rows, fixed=fixed)
        self._bound = self._session.io_binding()
        self._in: dict[str, onnxruntime.OrtValue] = {}
        self._out: dict[str, onnxruntime.OrtValue] = {}
        for node in self.outputs:
            shape = [rows, *node.shape[1:]]
            dtype = onnx_batches.numpy_type(node.type)
            place = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, dtype, device.name, device.number)
            self._bound.bind_ortvalue_output(node.name, place)
            self._out[node.name] = place

    def run(self, names: Sequence[str], requests: Sequence[Mapping[str, "Tensor"]]) -> Sequence["Tensor"]:
        for name, tensor in self._buffers.joined(requests).items():
            if name in self._in:
                self._in[name].update_inplace(tensor)
                continue
            place = onnxruntime.OrtValue.ortvalue_from_numpy(tensor, self._device.name, self._device.number)
            self._bound.bind_ortvalue_input(name, place)
            self._in[name] = place
        self._session.run_with_iobinding(self._bound)
        return [
            self._out[name].numpy().copy() if self._device.name == "cpu" else self._out[name].numpy() for name in names
        ]
