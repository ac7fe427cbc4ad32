"""The features of a graph that tell how strange a picture is, and that number, as nodes."""

import numpy as np

from model_export.graph import GraphEditor
from model_export.strangeness.typical import Typical


def add_features(editor: GraphEditor, activations: str, output: str) -> str:
    """Adds the root of the mean of each channel; of a rectified layer, so that no mean is negative.

    Args:
        editor: Of the graph that is extended.
        activations: Tensor, (N, F, height, width) float32, not negative.
        output: Name for the features, (N, F) float32.
    """
    mean = editor.add("ReduceMean", [activations], f"{output}/mean", axes=[2, 3], keepdims=0)
    return editor.add("Sqrt", [mean], output)


def add_strangeness(editor: GraphEditor, features: str, typical: Typical, output: str) -> None:
    """Adds `Typical.strangeness`.

    Args:
        editor: Of the graph that is extended.
        features: Tensor, (N, F) float32.
        typical: What is typical of them.
        output: Name for the number, (N, 1) float32, not negative.
    """
    centre = editor.constant(f"{output}/centre", typical.centre, np.float32)
    axes = editor.constant(f"{output}/axes", typical.axes, np.float32)
    means = editor.constant(f"{output}/means", typical.means[np.newaxis], np.float32)
    centred = editor.add("Sub", [features, centre], f"{output}/centred")
    placed = editor.add("MatMul", [centred, axes], f"{output}/placed")
    middle = editor.constant(f"{output}/middle", [1], np.int64)
    row = editor.add("Unsqueeze", [placed, middle], f"{output}/row")  # (N, 1, D)
    off = editor.add("Sub", [row, means], f"{output}/off")
    squares = editor.add("Mul", [off, off], f"{output}/squares")
    by_class = editor.add("ReduceMean", [squares], f"{output}/by_class", axes=[2], keepdims=0)
    nearest = editor.add("ReduceMin", [by_class], f"{output}/nearest", axes=[1], keepdims=1)
    distance = editor.add("Sqrt", [nearest], f"{output}/distance")
    far = editor.constant(f"{output}/far", typical.far, np.float32)
    editor.add("Div", [distance, far], output)
