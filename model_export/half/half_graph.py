"""The FP16 graph for GPUs: from the first convolution to the last in float16, everything else in float32.

What lies before the first convolution is arithmetic on the pixels (a mean over 150,528 of them, squares of 255), and
what lies behind the last one turns features into answers: softmax, saliency, boxes. Both are cheap, and in float16
they would lose digits that show. The convolutions are the work.
"""

from typing import Final

import onnx
from onnx import TensorProto, helper
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from model_export.graph import GraphEditor, replace, with_plain_weights

_IN_FP32: Final = [*DEFAULT_OP_BLOCK_LIST, "Resize", "InstanceNormalization"]
"""InstanceNormalization sums a whole group of channels; float16 kernels of Resize interpolate in float16."""


def to_half(model: bytes) -> bytes:
    """Makes the float16 graph of a float32 one; inputs and outputs keep their types.

    Args:
        model: The serialised graph, without external data.

    Returns:
        The serialised graph, the same bytes each time.
    """
    exact = onnx.load_from_string(with_plain_weights(model))
    half = convert_float_to_float16(
        exact, keep_io_types=True, op_block_list=_IN_FP32, node_block_list=_outside_of_the_convolutions(exact.graph)
    )
    del half.graph.value_info[:]
    # ONNX Runtime 1.31, which a GPU has, adds the same cast once for each node that reads it; 1.32 does so once.
    replace(half.graph.node, list({tuple(node.output): node for node in half.graph.node}.values()))
    _join_round_trips(half.graph)
    sorter = ONNXModel(half)
    sorter.topological_sort()
    GraphEditor(sorter.model.graph).prune()
    onnx.checker.check_model(sorter.model, full_check=True)
    serialised: bytes = sorter.model.SerializeToString(deterministic=True)
    return serialised


def _outside_of_the_convolutions(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes that no convolution comes before, or none behind."""
    behind: set[str] = set()
    for node in graph.node:
        if node.op_type == "Conv" or behind.intersection(node.input):
            behind.update(node.output)
    before: set[str] = set()
    for node in reversed(graph.node):
        if node.op_type == "Conv" or before.intersection(node.output):
            before.update(node.input)
    return [
        node.name
        for node in graph.node
        if node.op_type != "Conv" and not (behind.intersection(node.output) and before.intersection(node.output))
    ]


def _join_round_trips(graph: onnx.GraphProto) -> None:
    """Lets float32 nodes that follow each other hand on float32: the converter takes each such step through float16."""
    casts = {node.output[0]: node for node in graph.node if node.op_type == "Cast"}
    joined = {
        name: casts[node.input[0]].input[0]
        for name, node in casts.items()
        if _target(node) == TensorProto.FLOAT and node.input[0] in casts and _is_half(casts[node.input[0]])
    }
    ends = {output.name for output in graph.output}.intersection(joined)
    renamed = {joined[end]: end for end in ends}  # the float32 tensor takes the name of the output that it is
    replace(graph.node, [node for node in graph.node if not ends.intersection(node.output)])
    for node in graph.node:
        node.input[:] = [renamed.get(source, source) for source in (joined.get(name, name) for name in node.input)]
        node.output[:] = [renamed.get(name, name) for name in node.output]


def _is_half(cast: onnx.NodeProto) -> bool:
    return _target(cast) == TensorProto.FLOAT16


def _target(cast: onnx.NodeProto) -> int:
    return int(helper.get_node_attr_value(cast, "to"))
