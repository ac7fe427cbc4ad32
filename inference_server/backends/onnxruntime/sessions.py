"""Runs a graph on batches: on a CPU one session for every batch size, on a GPU one for each of a few sizes.

With every new shape the CUDA provider plans its convolutions anew, for tenths of a second, and forgets the plan for the
last one. A session that only ever sees one batch size plans once; smaller batches are filled up to it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnxruntime

if TYPE_CHECKING:
    from inference_server.backends.onnxruntime import onnx_batches
    from inference_server.backends.onnxruntime.cuda_libraries import CUDA
    from inference_server.backends.onnxruntime.onnx_batches import Tensor
else:
    import onnx_batches
    from cuda_libraries import CUDA

Provider = tuple[str, Mapping[str, str]]

CPU: Provider = ("CPUExecutionProvider", {})


class ProviderUnused(Exception):
    """ONNX Runtime made the session, but without the execution provider that was asked for."""


def on_gpu(device_id: str) -> Provider:
    """The execution provider for a GPU, by its CUDA number."""
    # As quick as the exhaustive search on an H100, and planned in a fifth of the time; see docs/performance.md.
    return CUDA, {"device_id": device_id, "cudnn_conv_algo_search": "HEURISTIC"}


class Sessions:
    """A graph, ready to run on batches of up to a number of rows.

    Args:
        graph: The file.
        options: For each session.
        provider: Must execute the graph; a node that it lacks may run on the CPU.
        max_batch_size: The most rows of a batch; 0 for a graph whose requests cannot be joined.

    Raises:
        ProviderUnused: ONNX Runtime would compute on the CPU instead.
    """

    def __init__(
        self, graph: Path, options: onnxruntime.SessionOptions, provider: Provider, max_batch_size: int
    ) -> None:
        fixed = provider[0] == CUDA and max_batch_size > 0
        sizes = onnx_batches.filled_sizes(max_batch_size) if fixed else [0]
        self._sessions = [_Session(graph, options, provider, rows) for rows in sizes]

    @property
    def inputs(self) -> Sequence[Any]:
        """The graph's inputs, with `name`, `type` and `shape`."""
        return self._sessions[0].inputs

    @property
    def outputs(self) -> Sequence[Any]:
        """The graph's outputs, likewise."""
        return self._sessions[0].outputs

    def warm_up(self, rows: Mapping[str, "Tensor"]) -> None:
        """Run every session once, for all outputs: the first execution plans, and takes memory.

        Args:
            rows: What one request may be: each of shape (1, ...) or, for a graph without a batch axis, (...).
        """
        for session in self._sessions:
            session.run([output.name for output in self.outputs], [rows])

    def filled(self, rows: int) -> int:
        """How many rows a batch of so many is filled up to."""
        return self._session_for(rows).rows or rows

    def run(self, names: Sequence[str], requests: Sequence[Mapping[str, "Tensor"]]) -> Sequence["Tensor"]:
        """Run the graph once on the rows of all requests.

        Args:
            names: The outputs to compute.
            requests: Their inputs by name, which agree in everything but the first axis.

        Returns:
            The outputs; those of a batch that was filled up go on after the rows of the requests.
        """
        session = self._sessions[0] if len(self._sessions) == 1 else self._session_for(onnx_batches.rows(requests))
        return session.run(names, requests)

    def _session_for(self, rows: int) -> "_Session":
        return next((each for each in self._sessions if each.rows >= rows), self._sessions[0])


class _Session:
    """A session for one number of rows, or for any (0)."""

    def __init__(self, graph: Path, options: onnxruntime.SessionOptions, provider: Provider, rows: int) -> None:
        self.rows = rows
        # By default a session whose GPU fails goes on with the CPU, at its creation and at any run.
        self._session = onnxruntime.InferenceSession(graph, options, [provider], enable_fallback=0)
        used = self._session.get_providers()[0]
        if used != provider[0]:
            raise ProviderUnused(f"ONNX Runtime uses {used} in place of {provider[0]}")
        self.inputs: Sequence[Any] = self._session.get_inputs()
        self.outputs: Sequence[Any] = self._session.get_outputs()
        self._buffers = onnx_batches.Buffers(rows)

    def run(self, names: Sequence[str], requests: Sequence[Mapping[str, "Tensor"]]) -> Sequence["Tensor"]:
        outputs: Sequence[Tensor] = self._session.run(names, self._buffers.joined(requests))
        return outputs
