"""Recipe of `he_tissue`: the SegResNet of three classes, with byte tensors at both ends and a cheaper Mish."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper
from PIL import Image

from model_export import verify
from model_export.graph import GraphEditor

SIDE: Final = 512
"""Height and width of a tile, pixels. The network's normalisation makes results depend on it."""
LEVEL_LIMIT: Final = 1.0
"""Largest difference of a probability from the source graph's, in levels of 255."""
_CLASSES: Final = 3
_IR_VERSION: Final = 9  # the newest that ONNX Runtime 1.18 loads with opset 18

Array = npt.NDArray[Any]


def build(weights: Path) -> bytes:
    """Makes the serving graph: `stains` (N, 512, 512, 3) uint8 to `probabilities` (N, 3, 512, 512) uint8.

    `stains` holds eosin, haematoxylin and optical density, scaled 0-255 over the whole picture, so inside the graph
    a division by 255 is all that is left of the published scaling. `probabilities` holds lumen, epithelium and
    background, 255 times the sigmoid of the logits, rounded.
    """
    source = onnx.load(weights)
    graph = onnx.GraphProto(name="he_tissue", initializer=source.graph.initializer)
    for tensor in graph.initializer:
        tensor.ClearField("doc_string")
        del tensor.metadata_props[:]
    for field, name, shape in (
        (graph.input, "stains", [SIDE, SIDE, _CLASSES]),
        (graph.output, "probabilities", [_CLASSES, SIDE, SIDE]),
    ):
        field.append(helper.make_tensor_value_info(name, TensorProto.UINT8, ["batch", *shape]))
    editor = GraphEditor(graph)
    levels = editor.constant("levels", 255, np.float32)
    one = editor.constant("one", 1, np.float32)
    channels_first = editor.add("Transpose", ["stains"], "stains/channels_first", perm=[0, 3, 1, 2])
    floats = editor.add("Cast", [channels_first], "stains/float", to=TensorProto.FLOAT)
    editor.add("Div", [floats, levels], source.graph.input[0].name)
    for node in source.graph.node:
        if node.op_type == "Mish":
            _add_mish(editor, node.input[0], node.output[0], one)
        else:
            copy = graph.node.add()
            copy.op_type, copy.domain, copy.name = node.op_type, node.domain, node.name
            copy.input.extend(node.input)
            copy.output.extend(node.output)
            copy.attribute.extend(node.attribute)
    sigmoid = editor.add("Sigmoid", [source.graph.output[0].name], "probabilities/sigmoid")
    scaled = editor.add("Mul", [sigmoid, levels], "probabilities/scaled")
    rounded = editor.add("Round", [scaled], "probabilities/rounded")
    editor.add("Cast", [rounded], "probabilities", to=TensorProto.UINT8)
    editor.prune()
    model = helper.make_model(
        graph,
        producer_name="oncoserve",
        ir_version=_IR_VERSION,
        opset_imports=[opset for opset in source.opset_import if not opset.domain],
    )
    onnx.checker.check_model(model, full_check=True)
    served: bytes = model.SerializeToString(deterministic=True)
    return served


def _add_mish(editor: GraphEditor, x: str, output: str, one: str) -> None:
    """Adds Mish, x tanh(softplus(x)), as x (1 - s²) / (1 + s²) with s = sigmoid(-x).

    The same function; ONNX Runtime has no kernel for Mish, and the Softplus of its fallback took half of the run.
    """
    negative = editor.add("Neg", [x], f"{output}/negative")
    sigmoid = editor.add("Sigmoid", [negative], f"{output}/sigmoid")
    square = editor.add("Mul", [sigmoid, sigmoid], f"{output}/square")
    less = editor.add("Sub", [one, square], f"{output}/less")
    more = editor.add("Add", [one, square], f"{output}/more")
    slope = editor.add("Div", [less, more], f"{output}/slope")
    editor.add("Mul", [x, slope], output)


def check(weights: Path, served: bytes, samples: Path) -> Mapping[str, Mapping[str, float]]:
    """Compares the serving graph with the published one on tiles of the real pictures under `samples`.

    Raises:
        CheckError: A value is over its limit.
    """
    tiles = pictures(samples)
    session = verify.open_session(served)
    source = verify.open_session(weights)  # by its path: the weights lie in a second file beside it
    singles = verify.run_one_by_one(session, tiles)["probabilities"]
    published = [_published(source, tile) for tile in tiles]
    batch = verify.run(session, tiles)["probabilities"]
    evidence = (
        verify.require("probability_levels_as_source", singles, np.stack(published), LEVEL_LIMIT),
        verify.require("probability_levels_in_a_batch", batch, singles, LEVEL_LIMIT),
    )
    return {item.name: {"value": item.value, "limit": item.limit} for item in evidence}


def pictures(samples: Path) -> Array:
    """One tile of each picture, (N, 512, 512, 3) uint8: darkness in place of the stain channels, which look alike."""
    tiles = []
    for path in sorted(path for path in samples.glob("*/*") if path.is_file()):
        with Image.open(path) as picture:
            side = min(picture.size)
            square = picture.convert("RGB").crop((0, 0, side, side)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            tiles.append(255 - np.asarray(square))
    return np.stack(tiles)


def _published(source: onnxruntime.InferenceSession, tile: Array) -> Array:
    """Probabilities of the published graph in levels of 255, not rounded, (3, 512, 512) float64."""
    (logits,) = verify.run(source, (tile.astype(np.float32) / np.float32(255)).transpose(2, 0, 1)[np.newaxis]).values()
    levels: Array = 255 / (1 + np.exp(-logits[0].astype(np.float64)))
    return levels
