"""The serving graph: the given one, with all that has to be done to a picture before it and to its output after it."""

from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, version_converter

from model_export.own.given_graph import GivenGraph
from model_export.own.heads.head import Head
from model_export.own.nodes import AXES_ARE_INPUTS, Nodes
from model_export.own.own_errors import OwnModelError
from model_export.own.placement import Placement
from model_export.own.wanted import Wanted

IMAGE: Final = "image"
GREY: Final = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in a grey picture, as Pillow and others have them (ITU-R BT.601)."""
WEIGHTS_ALONE: Final = 4
"""From this IR version on weights are no inputs of the graph."""
GIVEN: Final = "given/"
"""Put before every name of the given graph, so that none is one of ours."""


def wrap(given: GivenGraph, wanted: Wanted, placed: Placement, head: Head, *, batched: bool) -> onnx.ModelProto:
    """Make the serving graph of `image` (N, height, width, 3) uint8 RGB, with the head's outputs.

    Args:
        given: The graph; it stays as it is.
        wanted: How pictures are scaled.
        placed: Where they go in.
        head: What its outputs become.
        batched: Whether N is any number; else it is 1.

    Raises:
        OwnModelError: The joined graph is not sound.
    """
    inner = onnx.ModelProto()
    inner.CopyFrom(_at_least(given.model, head.least_opset))
    _put_before_names(inner.graph, GIVEN)
    before, after = Nodes("image"), Nodes("answer")
    opset = next(each.version for each in inner.opset_import if each.domain in {"", "ai.onnx"})
    _lay_before(before, given, wanted, placed, opset)
    head.lay(after, {name: GIVEN + name for name in head.reads})
    batch: str | int = "batch" if batched else 1
    graph = onnx.GraphProto()
    graph.CopyFrom(inner.graph)
    graph.name = wanted.name
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend([*before.nodes, *inner.graph.node, *after.nodes])
    graph.initializer.extend([*before.constants, *after.constants])
    graph.input.append(helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, [batch, *placed.size, 3]))
    for name, (dtype, dims) in head.shapes().items():
        shape = [batch, *(f"{name}_{axis}" if size < 0 else size for axis, size in enumerate(dims))]
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        graph.output.append(helper.make_tensor_value_info(name, kind, shape))
    model = helper.make_model(
        graph,
        producer_name="oncoserve",
        ir_version=max(inner.ir_version, WEIGHTS_ALONE),
        opset_imports=inner.opset_import,
        functions=inner.functions,
    )
    try:
        onnx.checker.check_model(model, full_check=False)
    except onnx.checker.ValidationError as error:
        raise OwnModelError(f"The graph is not sound, export it anew: {str(error).splitlines()[0][:300]}") from error
    return model


def _put_before_names(graph: onnx.GraphProto, prefix: str) -> None:
    """Rename every tensor of a graph, and of the graphs within it: these see the tensors around them by name."""
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = prefix + value.name
    for sparse in graph.sparse_initializer:
        sparse.values.name = prefix + sparse.values.name
    for node in graph.node:
        node.name = node.name and prefix + node.name
        for names in (node.input, node.output):
            names[:] = [name and prefix + name for name in names]  # an empty one is left out
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                _put_before_names(inner, prefix)


def _at_least(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """The model in a newer opset, where its own is older than what is put down after it needs.

    Raises:
        OwnModelError: It cannot be brought there.
    """
    own = next((each.version for each in model.opset_import if each.domain in {"", "ai.onnx"}), opset)
    if own >= opset:
        return model
    try:
        return version_converter.convert_version(model, opset)
    except Exception as error:  # it raises whatever its C++ threw
        first = str(error).splitlines()[0][:200]
        raise OwnModelError(
            f"The graph has opset {own}, and cannot be brought to {opset}: export it anew with {opset} ({first})"
        ) from error


def _lay_before(nodes: Nodes, given: GivenGraph, wanted: Wanted, placed: Placement, opset: int) -> None:
    """Pixels to the given graph's input: (x * scale - mean) / std, per channel, in its order and layout."""
    last = nodes.add("Cast", IMAGE, to=TensorProto.FLOAT)
    if wanted.colours == "BGR":
        last = nodes.add("Gather", last, nodes.constant([2, 1, 0], np.int64), axis=3)
    if placed.channels == 1:
        last = nodes.add("MatMul", last, nodes.constant(np.array(GREY)[:, np.newaxis]))
        last = nodes.add("Floor", nodes.add("Add", last, nodes.constant(0.5)))  # whole levels, as in a grey file
    if wanted.changes_values:
        # PyTorch's ToTensor divides by 255; the last bit is another one where 1/255 is multiplied.
        whole = round(1 / wanted.scale)
        operator, number = ("Div", whole) if whole and np.isclose(wanted.scale * whole, 1) else ("Mul", wanted.scale)
        last = nodes.add(operator, last, nodes.constant(number))
        last = nodes.add("Sub", last, nodes.constant(wanted.mean))
        last = nodes.add("Div", last, nodes.constant(wanted.std))
    if placed.layout == "NCHW":
        last = nodes.add("Transpose", last, perm=[0, 3, 1, 2])
    if not placed.batched and opset >= AXES_ARE_INPUTS:
        last = nodes.add("Squeeze", last, nodes.constant([0], np.int64))
    elif not placed.batched:
        last = nodes.add("Squeeze", last, axes=[0])
    nodes.add("Cast", last, out=GIVEN + given.input.name, to=helper.np_dtype_to_tensor_dtype(given.input.dtype))
