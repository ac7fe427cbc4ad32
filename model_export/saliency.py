"""HiResCAM as nodes of the classification graph.

HiResCAM (Draelos and Carin, 2020, arXiv:2011.08891): the gradient of a class's logit with respect to the
activations of the last convolution block, times those activations, summed over the channels. The head of the
network between those activations and the logits is dense, so its gradient has a closed form: the same weights
read in the other direction. One forward pass gives the probabilities and the map, for each picture of a batch.
"""

import numpy as np

from model_export.export_errors import ExportError
from model_export.graph import GraphEditor

GRADIENT = "saliency/gradient"
"""Tensor: gradient of the predicted class's logit with respect to the flattened activations, (N, H*W*C) float32."""


def add_hirescam(editor: GraphEditor, *, flat: str, logits: str, grid: int, classes: int, output: str) -> None:
    """Adds the map of the predicted class.

    Args:
        editor: Of the graph that is extended.
        flat: Tensor of the activations, (N, grid * grid * channels) float32, channels last.
        logits: Tensor of the logits, (N, classes) float32.
        grid: Cells of the map along each side.
        classes: Number of classes.
        output: Name for the map: (N, grid, grid) float32 in 0-1; the maximum of each map is 1, or the map is
            all 0 where nothing speaks for the predicted class.

    Raises:
        ExportError: The head has an operation whose gradient is not known here.
    """
    gradient = _add_gradient(editor, flat=flat, logits=logits, classes=classes)
    contribution = editor.add("Mul", [gradient, flat], "saliency/contribution")
    shape = editor.constant("saliency/shape", [0, grid, grid, -1], np.int64)
    cells = editor.add("Reshape", [contribution, shape], "saliency/cells")
    axis = editor.constant("saliency/channel_axis", [3], np.int64)
    total = editor.add("ReduceSum", [cells, axis], "saliency/total", keepdims=0)
    positive = editor.add("Relu", [total], "saliency/positive")
    peak = editor.add("ReduceMax", [positive], "saliency/peak", axes=[1, 2], keepdims=1)
    # The floor only acts where the maximum is 0, and makes that 0 / floor = 0 instead of 0 / 0.
    floor = editor.constant("saliency/floor", np.finfo(np.float32).tiny, np.float32)
    divisor = editor.add("Max", [peak, floor], "saliency/divisor")
    editor.add("Div", [positive, divisor], output)


def _add_gradient(editor: GraphEditor, *, flat: str, logits: str, classes: int) -> str:
    """Walks from the logits back to the flattened activations, one step of the chain rule for each node."""
    predicted = editor.add("ArgMax", [logits], "saliency/class", axis=1, keepdims=0)
    depth = editor.constant("saliency/classes", classes, np.int64)
    off_on = editor.constant("saliency/off_on", [0, 1], np.float32)
    gradient = editor.add("OneHot", [predicted, depth, off_on], "saliency/one_hot")
    zero = editor.constant("saliency/zero", 0, np.float32)
    tensor = logits
    while tensor != flat:
        node = editor.producer(tensor)
        tensor = node.input[0]
        constant = node.input[-1]
        name = GRADIENT if tensor == flat else f"saliency/gradient_of/{tensor}"
        if node.op_type == "Relu":
            active = editor.add("Greater", [node.output[0], zero], f"{name}/active")
            mask = editor.add("Cast", [active], f"{name}/mask", to=1)
            gradient = editor.add("Mul", [gradient, mask], name)
        elif node.op_type == "Mul" and editor.is_constant(constant):
            gradient = editor.add("Mul", [gradient, constant], name)
        elif node.op_type == "MatMul" and editor.is_constant(constant):
            # Gemm reads the weight transposed, so the file holds each weight once.
            gradient = editor.add("Gemm", [gradient, constant], name, transB=1)
        elif not (node.op_type == "Add" and editor.is_constant(constant)):
            raise ExportError(f"no gradient is known for {node.op_type} {node.name!r}; extend model_export/saliency.py")
    return gradient
