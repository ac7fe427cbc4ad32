"""What a served graph says of slices, and what of it lies where the tumour is."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.run_settings import MASK_LIMIT

Array = npt.NDArray[Any]

HALF: int = 128
"""A pixel that the outline covers by half is the tumour's."""


@dataclass(frozen=True)
class Answers:
    """What a model says of N slices.

    Attributes:
        probabilities: (N, 3).
        masks: (N, h, w) 0 to 1.
        strangeness: (N,).
    """

    probabilities: Array
    masks: Array
    strangeness: Array

    @property
    def seen(self) -> Array:
        """(N,) the largest value of each mask."""
        largest: Array = self.masks.max((1, 2)).astype(np.float64)
        return largest

    def highest(self, classes: Array) -> tuple[Array, Array]:
        """(N,) the highest probability, and whether its class is the true one, bool."""
        return self.probabilities.max(1), self.probabilities.argmax(1) == classes

    def take(self, chosen: Array) -> "Answers":
        """The slices at these indices, or where this is true."""
        return Answers(self.probabilities[chosen], self.masks[chosen], self.strangeness[chosen])


@dataclass(frozen=True)
class Raw:
    """What a network says of N slices, before anything is calibrated.

    Attributes:
        logits: (N, 3) float32 of the classes.
        masks: (N, 56, 56) float16, 0 to 1.
        outliers: (N,) float32 logit of being no brain.
        features: (N, F) float32.
    """

    logits: Array
    masks: Array
    outliers: Array
    features: Array

    def take(self, chosen: Array) -> "Raw":
        """The slices at these indices, or where this is true."""
        return Raw(*(each[chosen] for each in self.parts().values()))

    def parts(self) -> dict[str, Array]:
        """The arrays by name."""
        return {"logits": self.logits, "masks": self.masks, "outliers": self.outliers, "features": self.features}


def joined(parts: list[Answers]) -> Answers:
    """One after the other."""
    names = ("probabilities", "masks", "strangeness")
    return Answers(*(np.concatenate([getattr(each, name) for each in parts]) for name in names))


def enlarged(mask: Array, side: int) -> Array:
    """(side, side) float32, bilinear, as the service enlarges a mask to the picture."""
    return np.asarray(Image.fromarray(mask.astype(np.float32)).resize((side, side), Image.Resampling.BILINEAR))


def on_tumour(masks: Array, truth: Array) -> Array:
    """(N,) bool: whether the highest value lies on the tumour, truth (N, S, S) uint8."""
    found = []
    for mask, own in zip(masks, truth, strict=True):
        large = enlarged(mask, own.shape[0])
        found.append(own.flat[int(large.argmax())] >= HALF)
    return np.array(found, bool)


def dice(masks: Array, truth: Array, limit: float = MASK_LIMIT) -> Array:
    """(N,) see `dice_of`; masks (N, h, w) are enlarged to truth (N, S, S) uint8 and cut at the limit."""
    pairs = zip(masks, truth, strict=True)
    return np.array([dice_of(enlarged(mask, own.shape[0]) >= limit, own >= HALF) for mask, own in pairs])


def dice_of(said: Array, was: Array) -> float:
    """Twice the shared area of two masks, (H, W) bool, through the sum of both; 0 where neither has one."""
    total = int(said.sum() + was.sum())
    return 2 * int((said & was).sum()) / total if total else 0.0
