"""From a tumour heatmap and the box that each of its cells proposes to one peak and one box."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from oncoserve.tasks.regions.components import components

SUPPORT: Final = 0.5
"""Cells at least this share of the peak, and joined to it, have a say in the box."""


@dataclass(frozen=True)
class Found:
    """Where the heat is highest. Positions are fractions of the picture that the model saw, from its top left corner.

    Attributes:
        certainty: the heat at the peak, 0 to 1.
        peak: (x, y) centre of the hottest cell.
        box: (left, top, right, bottom), left <= right and top <= bottom.
    """

    certainty: float
    peak: tuple[float, float]
    box: tuple[float, float, float, float]


def find(heatmap: NDArray[np.float32], boxes: NDArray[np.float32]) -> Found:
    """Read the heatmap at its peak; the cells around the peak vote on the box, each with its heat as weight.

    Args:
        heatmap: (h, w) float32, 0 to 1; the cells tile the picture.
        boxes: (h, w, 4) float32 left, top, right, bottom as each cell proposes it, in fractions of the picture.
    """
    height, width = heatmap.shape
    row, column = divmod(int(heatmap.argmax()), width)
    certainty = float(heatmap[row, column])
    # A mean over cells that agree errs less than any one of them.
    weights = np.where(_around(heatmap >= SUPPORT * certainty, row, column), heatmap, 0)
    total = float(weights.sum())
    box = np.tensordot(weights, boxes, axes=2) / total if total > 0 else boxes[row, column]
    left, top, right, bottom = np.clip(box, 0, 1).tolist()
    return Found(
        certainty=certainty,
        peak=((column + 0.5) / width, (row + 0.5) / height),
        box=(left, top, max(left, right), max(top, bottom)),
    )


def _around(mask: NDArray[np.bool_], row: int, column: int) -> NDArray[np.bool_]:
    """(h, w) the cells of the mask that are 4-connected to the one given, which is among them."""
    found = components(mask)
    own = found.at(np.array([row]), np.array([column]))
    return found.mask(np.isin(np.arange(found.count), own))
