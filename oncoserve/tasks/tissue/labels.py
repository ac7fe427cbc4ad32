"""From probabilities and a threshold to one label per pixel, and to areas."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from oncoserve.tasks.base import Parameters
from oncoserve.tasks.tissue.glass import GLASS, WHITE

BACKGROUND: Final = 0
LUMEN: Final = 1
EPITHELIUM: Final = 2
OTHER: Final = 3
CLASS_VALUES: Final = {"lumen": LUMEN, "epithelium": EPITHELIUM, "other": OTHER}
"""Values of the mask by class name; everything else is 0."""

DEFAULT_THRESHOLD: Final = 0.5


class View(Parameters):
    """How probabilities become labels."""

    threshold: float = Field(default=DEFAULT_THRESHOLD, ge=0, le=1)
    """Least probability of lumen and of epithelium."""


@dataclass(frozen=True)
class Area:
    """How much of a class there is.

    Attributes:
        mm2: square millimetres.
        fraction: of all tissue, which is lumen, epithelium and other together; 0 where there is no tissue.
    """

    mm2: float
    fraction: float


def label(probabilities: NDArray[np.uint8], regions: NDArray[np.uint8], threshold: float) -> NDArray[np.uint8]:
    """Give every pixel of the model grid its label.

    The first of these that holds: GLASS is BACKGROUND; LUMEN where its probability is over the threshold and over the
    model's probability of background; EPITHELIUM likewise; what is WHITE is BACKGROUND (a tear, a vessel); the rest is
    OTHER tissue. The probabilities are sigmoids of their own that need not add up to 1, so both classes can pass;
    lumen then wins, as in `run_inference` of `lavlab-shell`. A higher threshold turns lumen into epithelium or other
    tissue, and epithelium into other tissue.

    Args:
        probabilities: (h, w, 3) uint8, 255 times the probability of lumen, epithelium, background.
        regions: (h, w) uint8, TISSUE, WHITE or GLASS.
        threshold: 0 to 1.

    Returns:
        (h, w) uint8, the values above.
    """
    lumen, epithelium, background = np.moveaxis(probabilities, 2, 0)
    least = int(threshold * 255)  # bytes are whole, so "over 127.5" is "over 127"
    labels = np.where(regions == WHITE, np.uint8(BACKGROUND), np.uint8(OTHER))
    labels[(epithelium > least) & (epithelium > background)] = EPITHELIUM
    labels[(lumen > least) & (lumen > background)] = LUMEN
    labels[regions == GLASS] = BACKGROUND
    return labels


def areas(labels: NDArray[np.uint8], shape: tuple[int, int], um_per_px: float) -> dict[str, Area]:
    """Areas by class.

    Args:
        labels: (h, w) uint8 on the model grid.
        shape: (H, W) of the ORIGINAL.
        um_per_px: micrometres per ORIGINAL pixel.
    """
    counts = np.bincount(labels.ravel(), minlength=OTHER + 1)
    tissue = int(counts[LUMEN:].sum())
    mm2_per_pixel = shape[0] * shape[1] * um_per_px**2 / 1e6 / labels.size
    return {
        name: Area(int(counts[value]) * mm2_per_pixel, int(counts[value]) / max(tissue, 1))
        for name, value in CLASS_VALUES.items()
    }
