"""A tiny model that outlines what is bright, of the task `delineation`."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from onnx import TensorProto, helper

from testbed.model_folder import CLASSES, PLAIN_BATCHING, card, config, write_card, write_model

SIDE: Final = 16
CELLS: Final = 4


def write_outliner(repository: Path, name: str = "outliner") -> Path:
    """Write a model whose mask is the brightness of each cell, and whose first class is always the most probable.

    Input `image` UINT8 [16, 16, 3], outputs `probabilities` FP32 [4] and `mask` FP32 [4, 4].
    """
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["pixels", "white"], ["light"]),
        helper.make_node("ReduceMean", ["light"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["means", "nothing"], ["none"]),
        helper.make_node("Add", ["none", "leaning"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("Reshape", ["light", "blocks"], ["by_cell"]),
        helper.make_node("ReduceMean", ["by_cell"], ["mask"], axes=[2, 4, 5], keepdims=0),
    ]
    constants: dict[str, ArrayLike] = {
        "white": np.float32(255),
        "nothing": np.zeros((3, len(CLASSES)), np.float32),
        "leaning": np.array([2, 0, 0, 0], np.float32),
        "blocks": np.array([-1, CELLS, SIDE // CELLS, CELLS, SIDE // CELLS, 3], np.int64),
    }
    shapes = {"probabilities": [len(CLASSES)], "mask": [CELLS, CELLS]}
    folder = write_model(
        repository,
        name,
        nodes,
        constants,
        inputs={"image": (TensorProto.UINT8, ["N", SIDE, SIDE, 3])},
        outputs={key: (TensorProto.FLOAT, ["N", *shape]) for key, shape in shapes.items()},
        config=config(
            8,
            inputs={"image": ("TYPE_UINT8", [SIDE, SIDE, 3])},
            outputs={key: ("TYPE_FP32", shape) for key, shape in shapes.items()},
            extra=PLAIN_BATCHING,
        ),
    )
    reading = {"method": "m", "caption": "c", "figures": "f"}
    write_card(folder, card(name) | {"task": "delineation", "delineation": reading})
    return folder
