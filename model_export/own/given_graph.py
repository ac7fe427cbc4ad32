"""The graph as it was given: read with care, since nobody here made it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import external_data_helper, helper

from model_export.own.other_files import how_to_export
from model_export.own.own_errors import OwnModelError

MOST_BYTES: Final = 2**31 - 1
"""Of a protobuf message, and so of a graph that is one file."""
NEWEST_OPSET: Final = 23
"""Of ONNX's own operators, that the pinned ONNX Runtime is sure to compute."""
OLDEST_OPSET: Final = 7
"""Before it shapes broadcast otherwise, and ONNX Runtime does not promise to compute them."""
DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Of operators that ONNX Runtime brings along."""

Size = int | str | None


@dataclass(frozen=True)
class Tensor:
    """One input or output.

    Attributes:
        name: The graph's own.
        dtype: Of its elements.
        dims: A number each, a name where it is dynamic, None where nothing is said.
    """

    name: str
    dtype: np.dtype
    dims: tuple[Size, ...]

    def __str__(self) -> str:
        """As a person would write it."""
        sizes = ", ".join("?" if each is None else str(each) for each in self.dims)
        return f"{self.name} {self.dtype} [{sizes}]"


@dataclass(frozen=True)
class GivenGraph:
    """A graph that somebody brought.

    Attributes:
        model: The graph with all its weights.
        input: Its one input.
        outputs: Its outputs.
    """

    model: onnx.ModelProto
    input: Tensor
    outputs: tuple[Tensor, ...]

    def reading(self, names: Sequence[str]) -> "GivenGraph":
        """The graph with no other outputs than these; with all of them where none is named.

        Raises:
            OwnModelError: It has no such output.
        """
        found = tuple(each for each in self.outputs if each.name in names)
        if missing := set(names) - {each.name for each in found}:
            raise OwnModelError(
                f"There is no output {', '.join(sorted(missing))}; there is {', '.join(map(str, self.outputs))}"
            )
        return replace(self, outputs=found or self.outputs)


def read_graph(path: Path) -> GivenGraph:
    """Read an ONNX file, with its weights in files beside it where it has them there.

    Raises:
        OwnModelError: It cannot be served as it is.
    """
    model = _load(path)
    _check_operators(model)
    weights = {each.name for each in model.graph.initializer}
    inputs = [_tensor(each) for each in model.graph.input if each.name not in weights]
    if len(inputs) != 1:
        found = ", ".join(map(str, inputs)) or "none"
        raise OwnModelError(f"{path.name} has {len(inputs)} inputs ({found}); a model is given one picture and no more")
    return GivenGraph(model, inputs[0], tuple(map(_tensor, model.graph.output)))


def _load(path: Path) -> onnx.ModelProto:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise OwnModelError(f"{path.name} has {size} bytes; a graph in one file has {MOST_BYTES} at most")
        model = onnx.load_model(path, load_external_data=False)
    except OSError as error:
        raise OwnModelError(f"{path}: {error.strerror}") from error
    except DecodeError as error:
        raise OwnModelError(f"{path.name} is no ONNX file; {how_to_export(path)}") from error
    if not model.graph.node or not model.graph.output:
        raise OwnModelError(f"{path.name} is no ONNX file; {how_to_export(path)}")
    for tensor in external_data_helper._get_all_tensors(model):  # noqa: SLF001 - the public way reads before it names
        if external_data_helper.uses_external_data(tensor):
            _check_beside(path, external_data_helper.ExternalDataInfo(tensor).location)
    try:
        external_data_helper.load_external_data_for_model(model, str(path.parent))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise OwnModelError(f"The weights beside {path.name} cannot be read: {error}") from error
    return model


def _check_beside(path: Path, location: str) -> None:
    """Weights lie in the graph's own folder: another place is none that somebody meant to send along."""
    file = (path.parent / location).resolve()
    if not file.is_relative_to(path.parent.resolve()):
        raise OwnModelError(f"{path.name} wants weights from {location!r}, outside of its own folder")
    if not file.is_file():
        raise OwnModelError(f"{path.name} keeps its weights in {location!r}, which is not beside it: copy both files")


def _check_operators(model: onnx.ModelProto) -> None:
    for opset in model.opset_import:
        if opset.domain not in DOMAINS:
            used = sorted({node.op_type for node in model.graph.node if node.domain == opset.domain})
            if used:
                raise OwnModelError(f"Operators of {opset.domain!r} are not known here: {', '.join(used)}")
        elif opset.domain in {"", "ai.onnx"} and not OLDEST_OPSET <= opset.version <= NEWEST_OPSET:
            raise OwnModelError(
                f"The graph has opset {opset.version}; {OLDEST_OPSET} to {NEWEST_OPSET} can be served: export it anew"
            )
    declared = {opset.domain for opset in model.opset_import}
    missing = sorted({node.domain for node in model.graph.node} - declared - {"", "ai.onnx"})
    if missing:
        raise OwnModelError(f"The graph uses operators of {', '.join(missing)} without saying their version")


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    kind = value.type.tensor_type
    if not kind.elem_type:
        raise OwnModelError(f"{value.name} is no tensor; a model takes and gives tensors")
    dims = tuple(
        each.dim_value if each.HasField("dim_value") and each.dim_value > 0 else each.dim_param or None
        for each in kind.shape.dim
    )
    return Tensor(value.name, helper.tensor_dtype_to_np_dtype(kind.elem_type), dims)
