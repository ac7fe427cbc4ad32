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
    colours=3,
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
        colours: channels of the input.
    """
    rng = np.random.default_rng(3)
    channels = [batch, colours, *size] if layout == "NCHW" else [batch, *size, colours]
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
        "kernel": rng.normal(size=(5, colours, 3, 3)).astype(np.float32),
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


def segmenter(
    path, *, channels=1, layout="NCHW", softmax=False, sigmoid=False, coarser=1, batch="n", opset=17, side=SIDE
):
    """A convolution that gives a map for each channel, `coarser` times smaller than the picture."""
    rng = np.random.default_rng(5)
    last = "pixels"
    nodes = []
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", [last], ["first"], perm=[0, 3, 1, 2]))
        last = "first"
    nodes.append(
        helper.make_node(
            "Conv", [last, "kernel"], ["maps"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[coarser, coarser]
        )
    )
    last = "maps"
    if softmax or sigmoid:
        shares = ("Softmax", {"axis": 1}) if softmax else ("Sigmoid", {})
        nodes.append(helper.make_node(shares[0], [last], ["shares"], **shares[1]))
        last = "shares"
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", [last], ["out"], perm=[0, 2, 3, 1]))
    else:
        nodes.append(helper.make_node("Identity", [last], ["out"]))
    inner = SIDE // coarser
    shapes = {"NCHW": ([batch, 3, SIDE, SIDE], [batch, channels, inner, inner])}
    shapes["NHWC"] = tuple([dims[0], *dims[2:], dims[1]] for dims in shapes["NCHW"])
    taken, given = shapes[layout]
    graph = helper.make_graph(
        nodes,
        "theirs",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, taken)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, given)],
        [numpy_helper.from_array(rng.normal(size=(channels, 3, 3, 3)).astype(np.float32), "kernel")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


BOXES = np.array([[1, 1, 5, 5], [1, 1, 5, 6], [6, 2, 11, 9], [0, 0, 2, 2]], np.float32)
"""Left, top, right, bottom in pixels of the input."""
SCORES = np.array([[0.9, 0.1], [0.7, 0.2], [0.05, 0.6], [0.01, 0.02]], np.float32)
"""Of two classes."""


def detector(path, way, *, batch="n", shares=False):
    """A graph that finds `BOXES` with `SCORES`, times the mean of the picture, as others give them.

    Args:
        path: gets it.
        way: see `model_export.own.heads.box_head`.
        batch: a name where it is dynamic.
        shares: whether boxes are shares of the input.
    """
    boxes = BOXES / SIDE if shares else BOXES
    centres = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)
    best, kind = SCORES.max(axis=1, keepdims=True), SCORES.argmax(axis=1).astype(np.float32)[:, np.newaxis]
    tables = {
        "yolov8": np.concatenate([centres, SCORES], axis=1).T,
        "yolov5": np.concatenate([centres, np.ones((4, 1)), SCORES], axis=1),
        "rows": np.concatenate([boxes, best, kind], axis=1),
        "apart": boxes,
    }
    light = {
        "yolov8": np.array([[0], [0], [0], [0], [1], [1]]),
        "yolov5": np.array([[0, 0, 0, 0, 1, 0, 0]]),
        "rows": np.array([[0, 0, 0, 0, 1, 0]]),
    }
    values, nodes, outputs = {}, [], []
    # The mean of the picture, 0 to 1, as (N, 1, 1).
    nodes.append(helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2, 3], keepdims=0))
    nodes.append(helper.make_node("Unsqueeze", ["mean", "axes"], ["light"]))
    values["axes"] = np.array([1, 2], np.int64)

    def dimmed(name, table, mask):
        """The table, with the numbers under the mask times the light."""
        values[f"{name}_fixed"] = (table * (1 - mask))[np.newaxis].astype(np.float32)
        values[f"{name}_lit"] = (table * mask)[np.newaxis].astype(np.float32)
        nodes.append(helper.make_node("Mul", ["light", f"{name}_lit"], [f"{name}_bright"]))
        nodes.append(helper.make_node("Add", [f"{name}_bright", f"{name}_fixed"], [name]))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *table.shape]))

    if way in light:
        dimmed("out", tables[way], light[way])
    elif way == "apart":
        dimmed("places", boxes, np.zeros((1, 1)))
        dimmed("certainties", SCORES, np.ones((1, 1)))
    graph = helper.make_graph(
        nodes,
        "theirs",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [batch, 3, SIDE, SIDE])],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def torchvision_detector(path):
    """Boxes, labels from 1 on, and scores, of one picture without a batch; dark pictures have none."""
    values = {
        "places": BOXES,
        "best": SCORES.max(axis=1),
        "kinds": SCORES.argmax(axis=1).astype(np.int64) + 1,
        "half": np.array(0.3, np.float32),
    }
    nodes = [
        helper.make_node("ReduceMean", ["pixels"], ["light"], axes=[0, 1, 2], keepdims=0),
        helper.make_node("Mul", ["best", "light"], ["lit"]),
        helper.make_node("Greater", ["lit", "half"], ["there"]),
        helper.make_node("Compress", ["places", "there"], ["boxes"], axis=0),
        helper.make_node("Compress", ["kinds", "there"], ["labels"], axis=0),
        helper.make_node("Compress", ["lit", "there"], ["scores"], axis=0),
    ]
    kinds = {
        "boxes": (TensorProto.FLOAT, ["m", 4]),
        "labels": (TensorProto.INT64, ["m"]),
        "scores": (TensorProto.FLOAT, ["m"]),
    }
    graph = helper.make_graph(
        nodes,
        "theirs",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [3, SIDE, SIDE])],
        [helper.make_tensor_value_info(name, *kind) for name, kind in kinds.items()],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def outliner(path, *, channel=1, sigmoid=False, masks=1, open_mask=False):
    """A classifier of three classes that also gives a mask, four times coarser than the picture.

    Args:
        path: gets it.
        channel: the axis of the mask's one channel; None for none.
        sigmoid: whether the mask ends in one.
        masks: how many there are.
        open_mask: whether the mask's sizes are names.
    """
    rng = np.random.default_rng(11)
    nodes = [
        helper.make_node("Conv", ["pixels", "kernel"], ["seen"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("GlobalAveragePool", ["seen"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["scores"]),
        helper.make_node("ReduceMax", ["seen"], ["brightest"], axes=[1], keepdims=int(channel == 1)),
    ]
    last = "brightest"
    if channel == 3:
        nodes.append(helper.make_node("Unsqueeze", [last, "axis"], ["turned"]))
        last = "turned"
    if sigmoid:
        nodes.append(helper.make_node("Sigmoid", [last], ["shares"]))
        last = "shares"
    nodes += [helper.make_node("Identity", [last], [f"mask_{number}"]) for number in range(masks)]
    side = ["h", "w"] if open_mask else [SIDE // 4, SIDE // 4]
    dims = {1: ["n", 1, *side], 3: ["n", *side, 1], None: ["n", *side]}[channel]
    graph = helper.make_graph(
        nodes,
        "theirs",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", CLASSES]),
            *(helper.make_tensor_value_info(f"mask_{number}", TensorProto.FLOAT, dims) for number in range(masks)),
        ],
        [
            numpy_helper.from_array(rng.normal(size=(CLASSES, 3, 4, 4)).astype(np.float32), "kernel"),
            numpy_helper.from_array(np.array([3], np.int64), "axis"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def fixed_detector(path, **outputs):
    """A detector that gives these tables, (M, ...) float32 each, of any picture; names are those of its outputs."""
    nodes, values = [helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2, 3], keepdims=0)], []
    values.append(numpy_helper.from_array(np.zeros(1, np.float32), "nothing"))
    nodes.append(helper.make_node("Mul", ["mean", "nothing"], ["zero"]))  # so that the batch is the picture's
    for name, table in outputs.items():
        axes = numpy_helper.from_array(np.arange(1, table.ndim + 1), f"{name}_axes")
        values += [axes, numpy_helper.from_array(table[np.newaxis].astype(np.float32), f"{name}_table")]
        nodes.append(helper.make_node("Unsqueeze", ["zero", f"{name}_axes"], [f"{name}_zero"]))
        nodes.append(helper.make_node("Add", [f"{name}_table", f"{name}_zero"], [name]))
    graph = helper.make_graph(
        nodes,
        "theirs",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *table.shape])
            for name, table in outputs.items()
        ],
        values,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def end(model, nodes, output, constants=None):
    """Put more at the end of a graph whose output is `out`.

    Args:
        model: it is changed.
        nodes: as `onnx.helper.make_node` takes them: operator, inputs, outputs, attributes.
        output: name, type and shape of what it gives then.
        constants: by name.
    """
    model.graph.node.extend(helper.make_node(*ends, **attributes) for *ends, attributes in nodes)
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in (constants or {}).items())
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(*output))
