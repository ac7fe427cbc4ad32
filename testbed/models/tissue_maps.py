"""he_tissue as the service reads it, for tests and measurements that need no server."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from oncoserve.inference.backend import TensorSpec
from oncoserve.tasks.card import Card, Segmentation
from oncoserve.tasks.maps.labels import Rule
from oncoserve.tasks.maps.tiles import Blender, Grid, Tiling
from oncoserve.tasks.maps.whole_picture import Prepared, Reading, prepare
from testbed.servers import PROJECT

CARD: Final = Card.model_validate_json((PROJECT / "model_repository/he_tissue/card.json").read_bytes())
RULE: Final = Rule.of(CARD)
BACKGROUND, LUMEN, EPITHELIUM, OTHER = 0, 1, 2, 3
CHANNELS, SIDE, OVERLAP, MARGIN = 3, 512, 256, 128
TILING: Final = Tiling((SIDE, SIDE), OVERLAP, MARGIN)
TILE: Final = TensorSpec("stains", np.dtype(np.uint8), (SIDE, SIDE, CHANNELS))
ANSWER: Final = TensorSpec("probabilities", np.dtype(np.uint8), (CHANNELS, SIDE, SIDE))

PART: Final = CARD.segmentation or Segmentation(kind="ranked")
MODEL_UM_PER_PX, ASSUMED_UM_PER_PX = PART.um_per_px or 0, PART.assumed_um_per_px or 0
READING: Final = Reading(PART, CARD.preprocessing, (SIDE, SIDE))


def prepare_tissue(pixels: NDArray[np.uint8], um_per_px: float) -> Prepared:
    """A picture, (H, W, 3) uint8 RGB of so many micrometres per pixel, ready for the model."""
    return prepare(pixels, um_per_px, READING)


def blender_of(grid: Grid, answers: int = 1) -> Blender:
    """What takes the model's answers, that many to each tile."""
    return Blender(grid, CHANNELS, answers)
