"""Tiny real ONNX models, written as complete folders of a Triton model repository."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper

from testbed.model_folder import CLASSES, PLAIN_BATCHING, card, config, write_card, write_labels, write_model

# Triton's name of a type -> ONNX's number of it.
EVERY_TYPE: Final = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
}


def expected_probabilities(images: NDArray[np.uint8], classes: int = len(CLASSES)) -> NDArray[np.float32]:
    """What a classifier of `write_classifier` answers, computed by numpy.

    Args:
        images: (N, H, W, 3) uint8 RGB.
        classes: Number of classes K.

    Returns:
        (N, K) float32; rows sum to 1.
    """
    means = images.astype(np.float64).mean(axis=(1, 2)) / 255
    scores = np.exp(means @ _weights(classes).astype(np.float64))
    shares: NDArray[np.float32] = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def random_images(count: int, size: int = 16, seed: int = 0) -> NDArray[np.uint8]:
    """Distinct images of distinct brightness, (count, size, size, 3) uint8 RGB."""
    generator = np.random.default_rng(seed)
    tint = generator.integers(1, 256, size=(count, 1, 1, 3))
    return generator.integers(0, tint + 1, size=(count, size, size, 3)).astype(np.uint8)


def write_classifier(
    repository: Path,
    name: str = "tiny",
    *,
    size: int | None = 16,
    classes: Sequence[str] = CLASSES,
    max_batch_size: int = 8,
    batching: str = PLAIN_BATCHING,
    extra: str = "",
) -> Path:
    """Write a classifier that knows only the mean of each colour channel; `expected_probabilities` predicts it.

    Input `image` UINT8 [size, size, 3], output `probabilities` FP32 [K].

    Args:
        repository: The model repository, made if it is not there.
        name: The model's name.
        size: Height and width in pixels; None accepts any.
        classes: Class names, at most four.
        max_batch_size: 0 makes a model whose tensors have the batch axis in `dims`.
        batching: The line of config.pbtxt about batching; empty for none.
        extra: More lines of config.pbtxt.

    Returns:
        The model's folder: config.pbtxt, card.json, labels.txt, 1/model.onnx, 1/export.json.
    """
    constants: dict[str, ArrayLike] = {"white": np.float32(255), "weights": _weights(len(classes))}
    pixels = size or -1
    batch = [-1] if max_batch_size == 0 else []
    folder = write_model(
        repository,
        name,
        _classifier_nodes(),
        constants,
        inputs={"image": (TensorProto.UINT8, ["N", size or "H", size or "W", 3])},
        outputs={"probabilities": (TensorProto.FLOAT, ["N", len(classes)])},
        config=config(
            max_batch_size,
            inputs={"image": ("TYPE_UINT8", [*batch, pixels, pixels, 3])},
            outputs={"probabilities": ("TYPE_FP32", [*batch, len(classes)])},
            labelled="probabilities",
            extra=f"{batching}\n{extra}",
        ),
    )
    write_labels(folder, classes)
    write_card(folder, card(name, classes))
    return folder


def write_localiser(
    repository: Path, name: str = "spotter", *, size: int = 16, cells: int = 4, shift: float = 0.0
) -> Path:
    """Write a model whose heatmap is the brightness of each cell, and whose cells propose themselves as the box.

    Input `image` UINT8 [size, size, 3], outputs `probabilities` FP32 [4] as those of `write_classifier`, `heatmap` FP32
    [cells, cells] and `boxes` FP32 [cells, cells, 4]. The class that means nothing to find is "grey".
    `shift` moves the boxes to the right, in fractions of the picture.
    """
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["pixels", "white"], ["light"]),
        helper.make_node("ReduceMean", ["light"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("Reshape", ["light", "blocks"], ["by_cell"]),
        helper.make_node("ReduceMean", ["by_cell"], ["heatmap"], axes=[2, 4, 5], keepdims=0),
        helper.make_node("Unsqueeze", ["heatmap", "last"], ["column"]),
        helper.make_node("Mul", ["column", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "own"], ["boxes"]),
    ]
    edges = np.arange(cells + 1, dtype=np.float32) / cells
    top, left = np.meshgrid(edges[:-1], edges[:-1] + np.float32(shift), indexing="ij")
    constants: dict[str, ArrayLike] = {
        "white": np.float32(255),
        "zero": np.float32(0),
        "weights": _weights(len(CLASSES)),
        "blocks": np.array([-1, cells, size // cells, cells, size // cells, 3], np.int64),
        "last": np.array([3], np.int64),
        "own": np.stack([left, top, left + 1 / cells, top + 1 / cells], axis=-1).astype(np.float32),
    }
    shapes = {"probabilities": [len(CLASSES)], "heatmap": [cells, cells], "boxes": [cells, cells, 4]}
    folder = write_model(
        repository,
        name,
        nodes,
        constants,
        inputs={"image": (TensorProto.UINT8, ["N", size, size, 3])},
        outputs={key: (TensorProto.FLOAT, ["N", *shape]) for key, shape in shapes.items()},
        config=config(
            8,
            inputs={"image": ("TYPE_UINT8", [size, size, 3])},
            outputs={key: ("TYPE_FP32", shape) for key, shape in shapes.items()},
            extra=PLAIN_BATCHING,
        ),
    )
    reading = {"nothing": "grey", "least_certainty": 0.5, "method": "m", "caption": "c", "figures": "f"}
    write_card(folder, card(name) | {"task": "localisation", "localisation": reading})
    return folder


def write_lookup(repository: Path, name: str = "lookup") -> Path:
    """Write a model that fails on some data: `index` INT64 [1] -> `value` FP32 [1] = 10 * index, index below 8."""
    return write_model(
        repository,
        name,
        [helper.make_node("Gather", ["table", "index"], ["value"])],
        {"table": np.arange(0, 80, 10, dtype=np.float32)},
        inputs={"index": (TensorProto.INT64, ["N", 1])},
        outputs={"value": (TensorProto.FLOAT, ["N", 1])},
        config=config(
            8, inputs={"index": ("TYPE_INT64", [1])}, outputs={"value": ("TYPE_FP32", [1])}, extra=PLAIN_BATCHING
        ),
    )


def write_every_type(repository: Path, name: str = "every_type") -> Path:
    """Write a model that passes every numeric type: `in_FP32` [3] -> `out_FP32` [3], and so on for EVERY_TYPE."""
    return write_model(
        repository,
        name,
        [helper.make_node("Identity", [f"in_{kind}"], [f"out_{kind}"]) for kind in EVERY_TYPE],
        {},
        inputs={f"in_{kind}": (number, ["N", 3]) for kind, number in EVERY_TYPE.items()},
        outputs={f"out_{kind}": (number, ["N", 3]) for kind, number in EVERY_TYPE.items()},
        config=config(
            4,
            inputs={f"in_{kind}": (f"TYPE_{kind}", [3]) for kind in EVERY_TYPE},
            outputs={f"out_{kind}": (f"TYPE_{kind}", [3]) for kind in EVERY_TYPE},
            extra=PLAIN_BATCHING,
        ),
    )


def write_slow(
    repository: Path,
    name: str = "slow",
    *,
    steps: int = 8,
    max_batch_size: int = 1,
    batching: str = PLAIN_BATCHING,
) -> Path:
    """Write a model that keeps a core busy: `seed` FP32 [1] -> `result` FP32 [1], about 20 ms a step and batch."""
    width = 1000
    body = [helper.make_node("MatMul", [f"m{step}", "matrix"], [f"m{step + 1}"]) for step in range(steps)]
    nodes = [
        helper.make_node("ReduceMax", ["seed"], ["largest"], keepdims=0),
        helper.make_node("Mul", ["matrix", "largest"], ["m0"]),
        *body,
        helper.make_node("ReduceSum", [f"m{steps}"], ["total"], keepdims=0),
        helper.make_node("Add", ["seed", "total"], ["result"]),
    ]
    return write_model(
        repository,
        name,
        nodes,
        {"matrix": np.eye(width, dtype=np.float32) / width},
        inputs={"seed": (TensorProto.FLOAT, ["N", 1])},
        outputs={"result": (TensorProto.FLOAT, ["N", 1])},
        config=config(
            max_batch_size,
            inputs={"seed": ("TYPE_FP32", [1])},
            outputs={"result": ("TYPE_FP32", [1])},
            extra=batching,
        ),
    )


def _classifier_nodes() -> list[onnx.NodeProto]:
    """From `image` to `probabilities`: the mean of each channel, one linear layer, softmax."""
    return [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("Div", ["means", "white"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]


def _weights(classes: int) -> NDArray[np.float32]:
    """(3, K) float32: one colour channel speaks for each of the first three classes, none for the fourth."""
    return (np.eye(3, classes) * 8).astype(np.float32)
