"""A model in two versions that differ in classes, outputs and task, as one folder of a Triton model repository."""

import json
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper
from PIL import Image

from testbed.model_folder import CLASSES, PLAIN_BATCHING, card, config, write_card, write_labels, write_model
from testbed.tiny_models import write_localiser

SIZE: Final = 32
CELLS: Final = 8  # of version 2; version 1 has half as many along a side
NAMED: Final = CLASSES[:3]
LIMITS: Final = {"least_mask": 0.5, "least_seen": 0.5, "least_probability": 0.6, "most_strangeness": 0.25}
DELINEATION: Final = {
    **LIMITS,
    "mm_per_px_range": (0.05, 5),
    "coverage": 0.9,
    "method": "m",
    "caption": "What is bright",
    "figures": "f",
}
DIFFER: Final = 'parameters { key: "oncoserve_versions_differ" value { string_value: "1" } }'
_STEEP: Final = 100  # so that a small patch of a colour decides


def write_two_versions(repository: Path, name: str = "outliner") -> Path:
    """Write a model whose version 1 is one of `write_localiser` and whose version 2 outlines what is bright.

    Version 2: input `image` UINT8 [32, 32, 3]; `mask` FP32 [8, 8] is the brightness of each cell, `strangeness` FP32
    [1] that of the upper left one, and `probabilities` FP32 [3] say which colour has the highest mean.

    Returns:
        The model's folder.
    """
    constants: dict[str, ArrayLike] = {
        "white": np.float32(255),
        "steep": np.float32(_STEEP),
        "blocks": np.array([-1, CELLS, SIZE // CELLS, CELLS, SIZE // CELLS, 3], np.int64),
        "flat": np.array([-1, CELLS * CELLS], np.int64),
        "first": np.array([0], np.int64),
    }
    own = {"probabilities": [len(NAMED)], "mask": [CELLS, CELLS], "strangeness": [1]}
    older = {"heatmap": [CELLS // 2, CELLS // 2], "boxes": [CELLS // 2, CELLS // 2, 4]}
    folder = write_model(
        repository,
        name,
        _nodes(),
        constants,
        inputs={"image": (TensorProto.UINT8, ["N", SIZE, SIZE, 3])},
        outputs={key: (TensorProto.FLOAT, ["N", *shape]) for key, shape in own.items()},
        config=config(
            8,
            inputs={"image": ("TYPE_UINT8", [SIZE, SIZE, 3])},
            outputs={key: ("TYPE_FP32", shape) for key, shape in {**own, "probabilities": [-1], **older}.items()},
            extra=f"{PLAIN_BATCHING}\nversion_policy {{ all {{ }} }}\n{DIFFER}",
        ),
    )
    (folder / "1").rename(folder / "2")
    aside = write_localiser(repository.parent / f"aside-{name}", name, size=SIZE, cells=CELLS // 2)
    shutil.move(aside / "1", folder / "1")
    write_labels(folder / "1", CLASSES)
    write_labels(folder / "2", NAMED)
    write_card(folder, newest_card(name))
    older_card = json.loads((aside / "card.json").read_text())
    others = {key: older_card[key] for key in ("task", "classes", "localisation")}
    write_card(folder / "1", {**others, "delineation": None, "title": "The older one"})
    return folder


def _nodes() -> list[onnx.NodeProto]:
    """Of version 2."""
    return [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["pixels", "white"], ["light"]),
        helper.make_node("ReduceMean", ["light"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["means", "steep"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("Reshape", ["light", "blocks"], ["by_cell"]),
        helper.make_node("ReduceMean", ["by_cell"], ["mask"], axes=[2, 4, 5], keepdims=0),
        helper.make_node("Reshape", ["mask", "flat"], ["cells"]),
        helper.make_node("Gather", ["cells", "first"], ["strangeness"], axis=1),
    ]


def newest_card(name: str = "outliner") -> dict[str, Any]:
    """The card of version 2."""
    return card(name, NAMED) | {"task": "delineation", "delineation": DELINEATION}


def patch(
    colour: tuple[int, int, int] = (255, 160, 160),
    at: tuple[int, int, int, int] = (64, 32, 96, 96),
    size: tuple[int, int] = (128, 128),
    corner: int = 0,
) -> Image.Image:
    """A dark picture with a bright patch, which version 2 outlines.

    Args:
        colour: Of the patch; reddish is named red, grey is no class.
        at: Left, top, right and bottom of the patch in pixels; of 128 x 128, multiples of 16 fill whole cells.
        size: Width and height in pixels.
        corner: Brightness of the upper left cell, 0 to 255: how unlike the training pictures it is.
    """
    picture = Image.new("RGB", size, (20, 20, 20))
    picture.paste(colour, at)
    picture.paste((corner,) * 3, (0, 0, 16, 16))
    return picture
