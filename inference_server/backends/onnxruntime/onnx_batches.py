"""What the backend does with tensors and shapes; knows numpy, but neither Triton nor ONNX Runtime."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[Any]
Allocate = Callable[[tuple[int, ...], np.dtype[Any]], Tensor]

# Triton's model configuration names -> ONNX Runtime's. NumPy has no bfloat16, DLPack no strings.
ONNX_TYPES = {
    "TYPE_BOOL": "tensor(bool)",
    "TYPE_UINT8": "tensor(uint8)",
    "TYPE_UINT16": "tensor(uint16)",
    "TYPE_UINT32": "tensor(uint32)",
    "TYPE_UINT64": "tensor(uint64)",
    "TYPE_INT8": "tensor(int8)",
    "TYPE_INT16": "tensor(int16)",
    "TYPE_INT32": "tensor(int32)",
    "TYPE_INT64": "tensor(int64)",
    "TYPE_FP16": "tensor(float16)",
    "TYPE_FP32": "tensor(float)",
    "TYPE_FP64": "tensor(double)",
}


@dataclass(frozen=True)
class GraphTensor:
    """An input or output of an ONNX graph.

    Attributes:
        type: ONNX Runtime's type, such as "tensor(uint8)".
        shape: Every axis, the batch axis included; a size, or None or a name where it is dynamic.
    """

    type: str
    shape: Sequence[int | str | None]


def mismatches(
    configured: Iterable[Mapping[str, object]], graph: Mapping[str, GraphTensor], *, batched: bool
) -> list[str]:
    """Say where a list of inputs or outputs of config.pbtxt contradicts the graph.

    Args:
        configured: Entries of the configuration with `name`, `data_type` and `dims` (without the batch axis if
            `batched`; -1 is dynamic).
        graph: The graph's inputs or outputs by name.
        batched: max_batch_size is above 0: the first axis is the batch and must be dynamic in the graph.

    Returns:
        One sentence a mismatch; empty if all is well. As in NVIDIA's backend, a size that is fixed in the graph must
        be the same in the configuration.
    """
    problems = []
    for entry in configured:
        name = str(entry["name"])
        if name not in graph:
            problems.append(f"{name} is not in the graph, which has {', '.join(graph)}")
            continue
        expected_type = ONNX_TYPES.get(str(entry["data_type"]), "a type this backend supports")
        if expected_type != graph[name].type:
            problems.append(f"{name} is {entry['data_type']} in config.pbtxt and {graph[name].type} in the graph")
        dims = [int(size) for size in entry["dims"]]  # type: ignore[attr-defined] # a list in Triton's JSON
        shape = [-1, *dims] if batched else dims
        graph_shape = [size if isinstance(size, int) and size > 0 else -1 for size in graph[name].shape]
        if len(shape) != len(graph_shape) or any(
            theirs not in (-1, ours) for ours, theirs in zip(shape, graph_shape, strict=True)
        ):
            problems.append(f"{name} is {shape} in config.pbtxt and {graph_shape} in the graph (-1 is dynamic)")
    return problems


def of_version(configured: Sequence[Mapping[str, Any]], graph: Mapping[str, GraphTensor]) -> list[Mapping[str, Any]]:
    """The outputs of config.pbtxt that a version's graph has; a size of -1 is the graph's.

    One configuration is for all versions of a model, which may answer with other outputs. If the graph has none of
    them, all are returned, for `mismatches` to name.
    """
    found: list[Mapping[str, Any]] = []
    for entry in (each for each in configured if each["name"] in graph):
        dims = [int(size) for size in entry["dims"]]
        sizes = list(graph[entry["name"]].shape)[-len(dims) :]
        filled = [theirs if ours == -1 else ours for ours, theirs in zip(dims, sizes, strict=False)]
        found.append({**entry, "dims": filled if len(filled) == len(dims) and _fixed(filled) else dims})
    return found or list(configured)


def _fixed(sizes: Sequence[int | str | None]) -> bool:
    return all(isinstance(size, int) for size in sizes)


def group_by_shape(requests: Sequence[Mapping[str, Tensor]], *, batched: bool) -> list[list[int]]:
    """Return the positions of the requests that can be executed together, in the order they came.

    Args:
        requests: The inputs of every request by name, each of shape (batch, ...) if `batched`.
        batched: Requests whose axes after the first agree go together; otherwise each request goes alone.
    """
    if not batched:
        return [[position] for position in range(len(requests))]
    groups: dict[object, list[int]] = {}
    for position, inputs in enumerate(requests):
        key = tuple((name, tensor.shape[1:]) for name, tensor in sorted(inputs.items()))
        groups.setdefault(key, []).append(position)
    return list(groups.values())


def filled_sizes(max_batch_size: int) -> list[int]:
    """The batch sizes that any batch is filled up to where each size is dear to begin: powers of two, and the largest.

    Args:
        max_batch_size: The model's, 1 or more.
    """
    return [*(2**power for power in range((max_batch_size - 1).bit_length())), max_batch_size]


def zeros(inputs: Iterable[Mapping[str, Any]], *, batched: bool) -> Mapping[str, Tensor] | None:
    """The smallest request: zeros for every input.

    Args:
        inputs: Entries of the configuration with `name`, `data_type` and `dims`.
        batched: Whether a batch axis, of 1, comes before `dims`.

    Returns:
        The inputs by name; None where a dimension is dynamic, for which nobody knows a size.
    """
    request = {}
    for entry in inputs:
        shape = [1] * batched + [int(size) for size in entry["dims"]]
        if min(shape, default=1) < 1:
            return None
        request[entry["name"]] = np.zeros(shape, numpy_type(ONNX_TYPES[entry["data_type"]]))
    return request


def numpy_type(onnx_type: str) -> np.dtype[Any]:
    """NumPy's type for one of ONNX Runtime's, such as "tensor(uint8)"."""
    name = onnx_type.removeprefix("tensor(").removesuffix(")")
    return np.dtype({"float": "float32", "double": "float64"}.get(name, name))


def rows(requests: Sequence[Mapping[str, Tensor]]) -> int:
    """How many rows requests have together: the sum of their first axes."""
    return sum(len(next(iter(inputs.values()))) for inputs in requests)


class Buffers:
    """Joins requests along the batch axis, each row copied once, in memory that is kept from batch to batch.

    Args:
        most: The most rows of a batch; 0 where requests are never joined.
        filled: Whether every batch is filled up to `most` rows.
        allocate: Makes the memory that batches are joined in, of a shape and type; None where any will do.
    """

    def __init__(self, most: int, *, filled: bool, allocate: Allocate | None = None) -> None:
        self._most = most
        self._filled = filled
        self._allocate = allocate
        self._buffers: dict[str, Tensor] = {}

    def joined(self, requests: Sequence[Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """The inputs of all requests; of a single one that needs no filling, its own, without a copy.

        What is returned is overwritten by the next call. Rows that fill up hold what an earlier batch left there.
        """
        if len(requests) == 1 and self._passes(requests[0]):
            return requests[0]
        count = rows(requests)
        joint = {}
        for name, tensor in requests[0].items():
            buffer = self._buffer(name, tensor)
            np.concatenate([inputs[name] for inputs in requests], out=buffer[:count])
            joint[name] = buffer if self._filled else buffer[:count]
        return joint

    def _passes(self, request: Mapping[str, Tensor]) -> bool:
        return not self._filled or (self._allocate is None and rows([request]) == self._most)

    def _buffer(self, name: str, like: Tensor) -> Tensor:
        shape = (self._most, *like.shape[1:])
        buffer = self._buffers.get(name)
        if buffer is None or buffer.shape != shape:
            self._buffers[name] = buffer = (self._allocate or np.zeros)(shape, like.dtype)
        return buffer


def split(outputs: Mapping[str, Tensor], sizes: Sequence[int], rows: int) -> list[dict[str, Tensor]]:
    """Cut the outputs of a joint execution into those of each request (views, no copies).

    Args:
        outputs: Tensors by name, each of shape (rows, ...); rows after those of the requests are the filling.
        sizes: The batch size of each request, in order.
        rows: Of the batch, the filling included.

    Raises:
        ValueError: An output's first axis is not the batch.
    """
    for name, tensor in outputs.items():
        if tensor.shape[:1] != (rows,):
            raise ValueError(f"output {name} has shape {tensor.shape} for a batch of {rows}")
    ends = np.cumsum(sizes).tolist()
    return [
        {name: tensor[end - size : end] for name, tensor in outputs.items()}
        for size, end in zip(sizes, ends, strict=True)
    ]
