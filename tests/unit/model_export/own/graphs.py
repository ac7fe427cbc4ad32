"""Small graphs as other people export them; the ways in which they differ from ours are their parameters."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE, CLASSES = 12, 3


def classifier(
    path,
    *,
    layout="NCHW",
    batch="n",
    size=(SIDE, SIDE),
    softmax=False,
    reshape_to=0,
    opset=17,
    dtype=TensorProto.FLOAT,
    input_dims=None,
    operator=("", "Relu"),
):
    """A classifier that pools each third of the rows by channel and weighs the means; order of channels matters.

    Args:
        path: gets it.
        layout: of its input.
        batch: a name where it is dynamic.
        size: height and width.
        softmax: whether it ends in one.
        reshape_to: the batch that its flattening has in a constant; 0 keeps what comes.
        opset: of ONNX.
        dtype: of the input.
        input_dims: instead of all that, where a shape is to be odd.
        operator: domain and name of the one after the weights.
    """
    rng = np.random.default_rng(3)
    channels = [batch, 3, *size] if layout == "NCHW" else [batch, *size, 3]
    nodes, last = [], "pixels"
    if dtype != TensorProto.FLOAT:
        nodes, last = [helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT)], "float"
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", [last], ["first"], perm=[0, 3, 1, 2]))
        last = "first"
    nodes += [
        helper.make_node("Conv", [last, "kernel"], ["seen"], kernel_shape=[3, 3]),
        helper.make_node("GlobalAveragePool", ["seen"], ["pooled"]),
        helper.make_node("Reshape", ["pooled", "flat"], ["features"]),
        helper.make_node(operator[1], ["features"], ["rectified"], domain=operator[0]),
        helper.make_node("MatMul", ["rectified", "weights"], ["scores" if softmax else "out"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["scores"], ["out"], axis=1))
    values = {
        "kernel": rng.normal(size=(5, 3, 3, 3)).astype(np.float32),
        "flat": np.array([reshape_to, -1], np.int64),
        "weights": rng.normal(size=(5, CLASSES)).astype(np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "theirs",
        [helper.make_tensor_value_info("pixels", dtype, input_dims or channels)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [batch, CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid(operator[0], 1)] if operator[0] else [])]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path
