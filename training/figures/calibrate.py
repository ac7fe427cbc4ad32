"""What is fitted on patients that a network has not seen: temperature, outline, and from where on it says nothing."""

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from training.figures.graph_answers import Answers, Array, dice

TYPICAL: Final = 0.99
"""Share of the slices with a tumour that are not too strange."""
SEEN: Final = 0.93
"""Share of those that show enough of a tumour."""
CLEAR: Final = 0.96
"""Share of those whose class is clear."""
MASKS: Final = (0.3, 0.35, 0.4, 0.45, 0.5)
"""Where an outline may be cut."""


@dataclass(frozen=True)
class Limits:
    """An answer has to keep the first three.

    Attributes:
        strangeness: at most this.
        seen: the mask's largest value is at least this.
        probability: the highest is at least this.
        mask: a pixel is the tumour's from this value on.
    """

    strangeness: float
    seen: float
    probability: float
    mask: float

    def answered(self, said: Answers) -> Array:
        """(N,) bool."""
        enough = (said.strangeness <= self.strangeness) & (said.seen >= self.seen)
        answered: Array = enough & (said.probabilities.max(1) >= self.probability)
        return answered

    def document(self) -> dict[str, float]:
        """For a record, with what share of slices with a tumour keeps each, one after the other."""
        shares = {"strangeness": TYPICAL, "seen": SEEN, "probability": CLEAR}
        return {**asdict(self), **{f"{name}_coverage": share for name, share in shares.items()}}


def softmax(logits: Array, temperature: float = 1.0) -> Array:
    """(N, K) probabilities."""
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(1, keepdims=True))
    shares: Array = powers / powers.sum(1, keepdims=True)
    return shares


def temperature(logits: Array, classes: Array) -> float:
    """The temperature with the least negative log-likelihood (arXiv:1706.04599), to 1 %."""
    candidates = np.geomspace(0.2, 5, 325)
    return float(min(candidates, key=lambda each: _surprise(softmax(logits, each), classes)))


def mask_limit(masks: Array, truth: Array) -> float:
    """Where to cut, for the highest mean Dice: masks (N, h, w), truth (N, S, S) uint8."""
    return max(MASKS, key=lambda limit: dice(masks, truth, limit).mean())


def strangeness_limit(strangeness: Array, typical: float = TYPICAL) -> float:
    """The strangeness, of (N,), that this share of the slices stays within."""
    return float(np.quantile(strangeness, typical))


def limits(said: Answers, mask: float, *, typical: float = TYPICAL, seen: float = SEEN, clear: float = CLEAR) -> Limits:
    """Of slices with a tumour: each limit is kept by a stated share of the slices that keep those before it."""
    strange = strangeness_limit(said.strangeness, typical)
    rest = said.take(said.strangeness <= strange)
    faint = float(np.quantile(rest.seen, 1 - seen))
    rest = rest.take(rest.seen >= faint)
    return Limits(strange, faint, float(np.quantile(rest.probabilities.max(1), 1 - clear)), mask)


def _surprise(probabilities: Array, classes: Array) -> float:
    return float(-np.log(probabilities[np.arange(len(classes)), classes].clip(1e-12)).mean())
