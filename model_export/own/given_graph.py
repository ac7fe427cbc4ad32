"""The graph as it was given: read with care, since nobody here made it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnx.inliner
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
IR_VERSIONS: Final = (3, 14)
"""Of the file's format: before the first one there are no opsets, the last is what the pinned ONNX Runtime reads."""
LONGEST_NAME: Final = 500
RANDOM: Final = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
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
        return f"{self.name} {self.dtype} [{sizes}]"[-200:]


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
    if any(isinstance(each, bytes) for each in _names(model)):
        raise OwnModelError(f"{path.name} has names that are no text (UTF-8): export it anew")
    _check_operators(model)
    weights = {each.name for each in model.graph.initializer}
    inputs = [_tensor(each) for each in model.graph.input if each.name not in weights]
    if len(inputs) != 1:
        found = ", ".join(map(str, inputs)) or "none"
        raise OwnModelError(f"{path.name} has {len(inputs)} inputs ({found}); a model is given one picture and no more")
    return GivenGraph(model, inputs[0], tuple(map(_tensor, model.graph.output)))


def _load(path: Path) -> onnx.ModelProto:
    try:
        if path.exists() and not path.is_file():
            raise OwnModelError(f"{path} is no file but a folder or a device: name the ONNX file itself")
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
    try:
        beside = filter(external_data_helper.uses_external_data, external_data_helper._get_all_tensors(model))  # noqa: SLF001 - the public way reads before it names
        size += sum(_bytes_beside(path, each) for each in beside)
        if size > MOST_BYTES:
            raise OwnModelError(f"{path.name} has {size} bytes with its weights; {MOST_BYTES} can be served")
        external_data_helper.load_external_data_for_model(model, str(path.parent))
    except OSError as error:
        raise OwnModelError(f"The weights beside {path.name} cannot be read: {error.strerror}") from error
    except (TypeError, ValueError, onnx.checker.ValidationError) as error:
        raise OwnModelError(f"The weights beside {path.name} cannot be read: {str(error)[:300]}") from error
    return _without_functions(model) if model.functions else model


def _without_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:  # it raises whatever its C++ threw
        first = str(error).splitlines()[0][:200]
        raise OwnModelError(f"The graph's functions cannot be put in place, export it anew: {first}") from error


def _bytes_beside(path: Path, tensor: onnx.TensorProto) -> int:
    """How many bytes of a tensor are in a file beside the graph.

    Weights lie in the graph's own folder: another place is none that somebody meant to send along.

    Raises:
        OwnModelError: They are elsewhere, or not all there.
        ValueError: What the graph says of them is no sense.
    """
    about = external_data_helper.ExternalDataInfo(tensor)
    where = f"{about.location[:100]!r}"
    file = (path.parent / about.location).resolve()
    if not file.is_relative_to(path.parent.resolve()):
        raise OwnModelError(f"{path.name} wants weights from {where}, outside of its own folder")
    if not file.is_file():
        raise OwnModelError(f"{path.name} keeps its weights in {where}, which is not beside it: copy both files")
    start: int | None = about.offset
    length: int | None = about.length
    found = length or file.stat().st_size - (start or 0)
    numbers = np.dtype(_dtype(tensor.name, tensor.data_type))
    wanted = math.prod(tensor.dims) * numbers.itemsize if numbers.kind in "fiub" else 0
    if found < wanted:
        raise OwnModelError(
            f"{path.name} keeps {wanted} bytes of {tensor.name!r} in {where}, where {max(found, 0)} are: copy it again"
        )
    return found


def _check_operators(model: onnx.ModelProto) -> None:
    """Refuse what is sure not to be computed, or not twice in the same way.

    Raises:
        OwnModelError: There is such an operator.
    """
    oldest, newest = IR_VERSIONS
    if not oldest <= model.ir_version <= newest:
        raise OwnModelError(
            f"The graph has IR version {model.ir_version}; {oldest} to {newest} can be served: export it anew"
        )
    nodes = list(_nodes(model.graph))
    for opset in model.opset_import:
        if opset.domain not in DOMAINS:
            used = sorted({node.op_type for node in nodes if node.domain == opset.domain})
            if used:
                raise OwnModelError(f"Operators of {opset.domain!r} are not known here: {', '.join(used)[:200]}")
        elif opset.domain in {"", "ai.onnx"} and not OLDEST_OPSET <= opset.version <= NEWEST_OPSET:
            raise OwnModelError(
                f"The graph has opset {opset.version}; {OLDEST_OPSET} to {NEWEST_OPSET} can be served: export it anew"
            )
    declared = {opset.domain or "ai.onnx" for opset in model.opset_import}
    missing = sorted({node.domain or "ai.onnx" for node in nodes} - declared)
    if missing:
        raise OwnModelError(
            f"The graph uses operators of {', '.join(missing)[:200]} without saying their version: export it anew"
        )
    for node in nodes:
        if node.op_type in RANDOM:
            raise OwnModelError(
                f"The graph draws random numbers ({node.op_type}), and an answer has to be the same each time: export "
                "it without"
            )
        if any(each.name == "training_mode" and each.i for each in node.attribute):
            raise OwnModelError(
                f"The graph is in training mode ({node.op_type}): an answer hangs on the pictures beside it; export it "
                "after model.eval()"
            )


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes, those of graphs within nodes too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def _names(model: onnx.ModelProto) -> Iterator[str]:
    """Every name that is read; one that is no UTF-8 comes as bytes."""
    yield from (opset.domain for opset in model.opset_import)
    yield from _names_of(model.graph)
    for node in _nodes(model.graph):
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield attribute.name
            for inner in (attribute.g, *attribute.graphs):
                yield from _names_of(inner)


def _names_of(graph: onnx.GraphProto) -> Iterator[str]:
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield value.name
        yield from (each.dim_param for each in value.type.tensor_type.shape.dim)
    yield from (tensor.name for tensor in graph.initializer)


def _dtype(name: str, kind: int) -> np.dtype:
    try:
        return helper.tensor_dtype_to_np_dtype(kind)
    except KeyError as error:
        raise OwnModelError(f"{name[:100]} has elements of a type {kind}, which is not known here") from error


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    if not 0 < len(value.name) <= LONGEST_NAME or not value.name.isprintable():
        raise OwnModelError(
            f"The graph has an input or output named {value.name[:50]!a}: rename it, with 1 to {LONGEST_NAME} "
            "printable characters"
        )
    kind = value.type.tensor_type
    if not kind.elem_type:
        raise OwnModelError(
            f"{value.name[:100]} is no tensor; a model takes and gives tensors: export it without (scikit-learn's with "
            "the option zipmap=False)"
        )
    dims = tuple(
        each.dim_value if each.HasField("dim_value") and each.dim_value > 0 else each.dim_param or None
        for each in kind.shape.dim
    )
    return Tensor(value.name, _dtype(value.name, kind.elem_type), dims)
