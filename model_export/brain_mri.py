"""Recipe of `brain_mri`: the VGG16 classifier, with its normalisation, saliency and strangeness in the graph."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper

from model_export import verify
from model_export.graph import GraphEditor
from model_export.saliency import add_hirescam
from model_export.strangeness.distance_nodes import add_features, add_strangeness
from model_export.strangeness.typical import Typical

SIDE: Final = 240
"""Height and width of the input, pixels."""
GRID: Final = 7
"""Height and width of the last block's activations, and so of the saliency map, cells."""

# Tensors of the source graph.
FEATURES: Final = "functional_1/block5_pool_1/MaxPool2d:0"  # (N, 512, 7, 7)
_FLAT: Final = "functional_1/flatten_1/Reshape:0"  # (N, 25088), channels last
TELLING: Final = "functional_1/block4_pool_1/MaxPool2d:0"  # (N, 512, 15, 15): its means tell what kind of picture it is
LOGITS: Final = "functional_1/dense_3_1/BiasAdd:0"  # (N, 4)
TYPICAL: Final = Path(__file__).parent / "strangeness" / "brain_mri.npz"
MOST_STRANGENESS: Final = 1.12
"""The limit on the card, of which the checks ask whether a precision keeps each picture on its side."""
_BATCH: Final = 8  # pictures in the check of batching, from all classes


def build(weights: Path) -> bytes:
    """Makes the serving graph of `image` (N, 240, 240, 3) uint8 RGB.

    It gives `probabilities` (N, 4), `saliency` (N, 7, 7) and `strangeness` (N, 1).
    Opset and IR version stay as published (13 and 7), well within what ONNX Runtime 1.18 loads.
    """
    source = onnx.load(weights)
    classes = source.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    graph = onnx.GraphProto(name="brain_mri", initializer=source.graph.initializer)
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", SIDE, SIDE, 3]))
    for name, shape in ("probabilities", [classes]), ("saliency", [GRID, GRID]), ("strangeness", [1]):
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape]))
    editor = GraphEditor(graph)
    pixels = editor.add("Cast", ["image"], "image/float", to=TensorProto.FLOAT)
    white = editor.constant("image/white", 255, np.float32)
    editor.add("Div", [pixels, white], source.graph.input[0].name)
    graph.node.extend(source.graph.node)
    # As published, the flattened shape is worked out from the batch at run time; 0 keeps the batch as it is.
    editor.producer(_FLAT).input[1] = editor.constant("flatten/shape", [0, -1], np.int64)
    editor.producer(source.graph.output[0].name).output[0] = "probabilities"
    add_hirescam(editor, flat=_FLAT, logits=LOGITS, grid=GRID, classes=classes, output="saliency")
    features = add_features(editor, TELLING, "strangeness/features")
    add_strangeness(editor, features, Typical.read(TYPICAL), "strangeness")
    editor.prune()
    model = helper.make_model(
        graph,
        producer_name="oncoserve",
        ir_version=source.ir_version,
        opset_imports=[opset for opset in source.opset_import if not opset.domain],
    )
    onnx.checker.check_model(model, full_check=True)
    served: bytes = model.SerializeToString(deterministic=True)
    return served


def pictures(samples: Path) -> verify.Array:
    """(N, 240, 240, 3) uint8 RGB of the labelled pictures of a folder, prepared as the card pins."""
    return verify.load_images(sorted(samples.glob("*/*.jpg")), SIDE)


def check(weights: Path, served: bytes, samples: Path) -> Mapping[str, Mapping[str, float]]:
    """Runs the checks of `model_export.verify` on the labelled pictures under `samples`.

    Raises:
        CheckError: A value is over its limit.
    """
    paths = sorted(samples.glob("*/*.jpg"))
    images = verify.load_images(paths, SIDE)
    class_indices = json.loads((weights.parent / "class_indices.json").read_bytes())
    labels = np.array([class_indices[path.parent.name] for path in paths])
    first_of_each_class = np.unique(labels, return_index=True)[1]
    published = weights.read_bytes()

    session = verify.open_session(served)
    singles = verify.run_one_by_one(session, images)
    mixed = slice(1, 2 * _BATCH, 2)
    evidence = (
        verify.same_as_source(verify.open_session(published), images, singles),
        verify.all_recognised(singles["probabilities"], labels),
        *verify.same_in_a_batch(session, images[mixed], {name: values[mixed] for name, values in singles.items()}),
        *verify.saliency_is_the_gradient(served, verify.Head(published, FEATURES, LOGITS), images[first_of_each_class]),
    )
    return {item.name: {"value": item.value, "limit": item.limit} for item in evidence}
