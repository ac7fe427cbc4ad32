"""The serving graph: the given one, with all that has to be done to a picture before it and to its output after it."""

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from model_export.own.given_graph import GivenGraph
from model_export.own.own_errors import OwnModelError
from model_export.own.placement import Placement
from model_export.own.wanted import Wanted

IMAGE, PROBABILITIES = "image", "probabilities"
GIVEN = "given/"
"""Put before every name of the given graph, so that none is one of ours."""


def wrap(given: GivenGraph, wanted: Wanted, placed: Placement, *, batched: bool) -> onnx.ModelProto:
    """Make the serving graph of `image` (N, height, width, 3) uint8 RGB, with `probabilities` (N, K) float32.

    Args:
        given: The graph; it stays as it is.
        wanted: How pictures are scaled.
        placed: Where they go in, and whether the output is probabilities.
        batched: Whether N is any number; else it is 1.

    Raises:
        OwnModelError: The joined graph is not sound.
    """
    try:
        inner = compose.add_prefix(given.model, prefix=GIVEN)
    except (ValueError, RecursionError) as error:
        raise OwnModelError(f"The graph cannot be taken into another one: {error}") from error
    graph = onnx.GraphProto(name=wanted.name)
    graph.CopyFrom(inner.graph)
    graph.name = wanted.name
    batch: str | int = "batch" if batched else 1
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.append(helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, [batch, placed.height, placed.width, 3]))
    shape = [batch, len(wanted.classes)]
    graph.output.append(helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, shape))
    before = list(_before(given, wanted, placed, graph))
    after = list(_after(GIVEN + placed.output, wanted, placed))
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
    model = helper.make_model(
        graph,
        producer_name="oncoserve",
        ir_version=given.model.ir_version,
        opset_imports=given.model.opset_import,
        functions=inner.functions,
    )
    try:
        onnx.checker.check_model(model, full_check=False)
    except onnx.checker.ValidationError as error:
        raise OwnModelError(f"The graph is not sound: {str(error).splitlines()[0]}") from error
    return model


def _before(given: GivenGraph, wanted: Wanted, placed: Placement, graph: onnx.GraphProto) -> Iterable[onnx.NodeProto]:
    """Pixels to the given graph's input: (x * scale - mean) / std, per channel, in its order and layout."""

    def constant(name: str, values: object, dtype: type) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    yield helper.make_node("Cast", [IMAGE], ["image/float"], to=TensorProto.FLOAT)
    last = "image/float"
    if wanted.colours == "BGR":
        yield helper.make_node("Gather", [last, constant("image/bgr", [2, 1, 0], np.int64)], ["image/turned"], axis=3)
        last = "image/turned"
    # PyTorch's ToTensor divides by 255; the last bit is another one where 1/255 is multiplied.
    whole = round(1 / wanted.scale)
    operator, number = ("Div", whole) if whole and np.isclose(wanted.scale * whole, 1) else ("Mul", wanted.scale)
    yield helper.make_node(operator, [last, constant("image/scale", number, np.float32)], ["image/scaled"])
    yield helper.make_node("Sub", ["image/scaled", constant("image/mean", wanted.mean, np.float32)], ["image/centred"])
    yield helper.make_node("Div", ["image/centred", constant("image/std", wanted.std, np.float32)], ["image/normal"])
    last = "image/normal"
    if placed.layout == "NCHW":
        yield helper.make_node("Transpose", [last], ["image/channels_first"], perm=[0, 3, 1, 2])
        last = "image/channels_first"
    kind = helper.np_dtype_to_tensor_dtype(given.input.dtype)
    yield helper.make_node("Cast", [last], [GIVEN + given.input.name], to=kind)


def _after(output: str, wanted: Wanted, placed: Placement) -> Iterable[onnx.NodeProto]:
    """The given graph's output to probabilities."""
    yield helper.make_node("Cast", [output], [f"{PROBABILITIES}/given"], to=TensorProto.FLOAT)
    given, made = [f"{PROBABILITIES}/given"], [PROBABILITIES]
    if placed.activated:
        yield helper.make_node("Identity", given, made)
    elif wanted.labels == "many":
        yield helper.make_node("Sigmoid", given, made)
    else:
        yield helper.make_node("Softmax", given, made, axis=1)
