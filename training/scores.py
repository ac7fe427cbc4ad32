"""Figures of merit, and how far chance could move them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from oncoserve.tasks.boxes import find
from training.data import Slices, blocks
from training.run_settings import CLASSES, NO_TUMOUR

Array = npt.NDArray[Any]

BLOCK: Final = 20
"""Neighbouring slices that a bootstrap draws together: about a patient and a half (3 064 slices of 233 patients)."""
DRAWS: Final = 2000
BINS: Final = 10


@dataclass(frozen=True)
class Answers:
    """What a model says of N slices.

    Attributes:
        probabilities: (N, 4).
        certainty: (N,) the heat at the peak.
        peaks: (N, 2) x and y in fractions of the picture.
        boxes: (N, 4) left, top, right, bottom in fractions of the picture.
    """

    probabilities: Array
    certainty: Array
    peaks: Array
    boxes: Array


def read(probabilities: Array, heatmaps: Array, boxes: Array) -> Answers:
    """Decode outputs, (N, 4), (N, h, w) and (N, h, w, 4), as the service does."""
    found = [find(heat, edges) for heat, edges in zip(heatmaps, boxes, strict=True)]
    return Answers(
        probabilities,
        np.array([each.certainty for each in found]),
        np.array([each.peak for each in found]),
        np.array([each.box for each in found]),
    )


def overlap(one: Array, other: Array) -> Array:
    """(N,) intersection over union of boxes (N, 4) left, top, right, bottom; 0 where neither has an area."""
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    shared = sides.clip(0).prod(1)
    areas = [(box[:, 2:] - box[:, :2]).prod(1) for box in (one, other)]
    union = areas[0] + areas[1] - shared
    shares: Array = np.divide(shared, union, out=np.zeros(len(one)), where=union > 0)
    return shares


def per_slice(answers: Answers, truth: Slices) -> dict[str, Array]:
    """Each figure slice by slice; NaN where a slice has no say in it."""
    tumour = truth.classes != NO_TUMOUR
    right = (answers.probabilities.argmax(1) == truth.classes).astype(float)
    inside = np.logical_and((answers.peaks >= truth.boxes[:, :2]).all(1), (answers.peaks <= truth.boxes[:, 2:]).all(1))
    centre = (truth.boxes[:, :2] <= 0.5).all(1) & (truth.boxes[:, 2:] >= 0.5).all(1)  # noqa: PLR2004 - the middle
    return {
        "class accuracy, three tumour kinds": np.where(tumour, right, np.nan),
        "class accuracy, all four": right,
        "peak inside the box": np.where(tumour, inside, np.nan),
        "mean IoU of the box": np.where(tumour, overlap(answers.boxes, truth.boxes), np.nan),
        "recall of notumor": np.where(tumour, np.nan, right),
        "(the picture's centre inside the box)": np.where(tumour, centre, np.nan),
        **{f"recall of {CLASSES[index]}": _only(right, truth, index) for index in range(4) if index != NO_TUMOUR},
        **{f"peak inside, {CLASSES[index]}": _only(inside, truth, index) for index in range(4) if index != NO_TUMOUR},
    }


def _only(values: Array, truth: Slices, index: int) -> Array:
    return np.where(truth.classes == index, values, np.nan)


def with_intervals(values: Mapping[str, Array], truth: Slices, seed: int) -> dict[str, dict[str, float]]:
    """Mean and 95 % interval of each figure, by a bootstrap over blocks of neighbouring slices."""
    chance = np.random.default_rng(seed)
    runs: Sequence[Array] = blocks(truth.classes, BLOCK)
    draws = [np.concatenate([runs[i] for i in chance.integers(len(runs), size=len(runs))]) for _ in range(DRAWS)]
    figures = {}
    for name, each in values.items():
        means = [np.nanmean(each[drawn]) for drawn in draws if not np.isnan(each[drawn]).all()]
        low, high = np.percentile(means, [2.5, 97.5])
        figures[name] = {"value": float(np.nanmean(each)), "low": float(low), "high": float(high)}
    return figures


def confusion(probabilities: Array, classes: Array) -> Array:
    """(4, 4) counts; a row is a true class, a column what the model says."""
    counts = np.zeros((len(CLASSES), len(CLASSES)), int)
    np.add.at(counts, (classes, probabilities.argmax(1)), 1)
    return counts


def reliability(probabilities: Array, classes: Array) -> tuple[Array, Array, Array]:
    """Mean highest probability, share right and count of each tenth of the probabilities that holds any."""
    highest = probabilities.max(1)
    right = probabilities.argmax(1) == classes
    bins = np.minimum((highest * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    held = counts > 0
    sums = [np.bincount(bins, values, BINS)[held] for values in (highest, right.astype(float))]
    return sums[0] / counts[held], sums[1] / counts[held], counts[held]


def calibration_error(probabilities: Array, classes: Array) -> float:
    """Expected calibration error: the mean gap of the reliability diagram, weighted by counts."""
    said, was, counts = reliability(probabilities, classes)
    return float((np.abs(said - was) * counts).sum() / counts.sum())
