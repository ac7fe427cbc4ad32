"""Figures of merit by patient, and how far chance could move them."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from training.data import Slices
from training.figures.calibrate import Limits
from training.figures.graph_answers import Answers, Array, dice, on_tumour
from training.run_settings import CLASSES, NONE

DRAWS: Final = 2000
BINS: Final = 10

# The figures' names.
ACCURACY: Final = "class accuracy where it answers"
ACCURACY_OF_ALL: Final = "class accuracy of all"
ANSWERED: Final = "answers, slices with a tumour"
PEAK: Final = "peak on the tumour where it answers"
PEAK_OF_ALL: Final = "peak on the tumour"
DICE: Final = "Dice of the outline where it answers"
DICE_OF_ALL: Final = "Dice of the outline"
FALSE_ALARMS: Final = "slices without a tumour called one"


def per_slice(said: Answers, truth: Slices, limits: Limits) -> dict[str, Array]:
    """Each figure slice by slice; NaN where a slice has no say in it."""
    tumour = truth.classes != NONE
    answered = limits.answered(said)
    right = said.probabilities.argmax(1) == truth.classes
    peak, overlap = np.full(len(truth), np.nan), np.full(len(truth), np.nan)
    peak[tumour] = on_tumour(said.masks[tumour], truth.masks[tumour])
    overlap[tumour] = dice(said.masks[tumour], truth.masks[tumour], limits.mask)
    return {
        **figures_of(tumour, answered, right, peak, overlap),
        **{f"recall of {name}": _only(right, truth.classes == index) for index, name in enumerate(CLASSES)},
        **{f"{PEAK_OF_ALL}, {name}": _only(peak, truth.classes == index) for index, name in enumerate(CLASSES)},
    }


def figures_of(tumour: Array, answered: Array, right: Array, peak: Array, overlap: Array) -> dict[str, Array]:
    """Each figure slice by slice, (N,); NaN where a slice has no say in it.

    Args:
        tumour: bool, whether there is one.
        answered: bool, whether a class is named.
        right: whether the likeliest class is the true one; this and the next two count where there is a tumour.
        peak: whether the peak lies on the tumour.
        overlap: Dice of the outline.
    """
    where = tumour & answered
    return {
        ACCURACY: _only(right, where),
        ACCURACY_OF_ALL: _only(right, tumour),
        ANSWERED: _only(answered, tumour),
        PEAK_OF_ALL: _only(peak, tumour),
        PEAK: _only(peak, where),
        DICE_OF_ALL: _only(overlap, tumour),
        DICE: _only(overlap, where),
        FALSE_ALARMS: _only(answered, ~tumour),
    }


def with_intervals(values: Mapping[str, Array], groups: Array, seed: int) -> dict[str, dict[str, float]]:
    """Mean and 95 % interval of each figure that any slice has a say in, by a bootstrap over patients (clusters)."""
    chance = np.random.default_rng(seed)
    figures = {}
    for name, each in values.items():
        counted = ~np.isnan(each)
        if not counted.any():
            continue
        names, own = np.unique(groups[counted], return_inverse=True)
        sums, sizes = np.bincount(own, each[counted]), np.bincount(own)
        drawn = chance.multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS)
        low, high = np.percentile((drawn @ sums) / (drawn @ sizes), [2.5, 97.5])
        figures[name] = {"value": float(each[counted].mean()), "low": float(low), "high": float(high)}
    return figures


def confusion(probabilities: Array, classes: Array, weights: Array | None = None) -> Array:
    """(3, 3) sums of weights, 1 for each slice if None; a row is a true class, a column what the model says."""
    counts = np.zeros((len(CLASSES), len(CLASSES)))
    np.add.at(counts, (classes, probabilities.argmax(1)), 1.0 if weights is None else weights)
    return counts


def by_patient(groups: Array) -> Array:
    """(N,) weights with which each patient counts 1."""
    _, own, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights: Array = 1 / counts[own]
    return weights


def reliability(highest: Array, right: Array) -> tuple[Array, Array, Array]:
    """Mean highest probability, share right and count of each tenth of the probabilities that holds any.

    Args:
        highest: (N,) the probability of the class that is named.
        right: (N,) bool, whether it is the true one.
    """
    bins = np.minimum((highest * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    held = counts > 0
    sums = [np.bincount(bins, values, BINS)[held] for values in (highest, right.astype(float))]
    return sums[0] / counts[held], sums[1] / counts[held], counts[held]


def calibration_error(highest: Array, right: Array) -> float:
    """Expected calibration error: the mean gap of the reliability diagram, weighted by counts; see `reliability`."""
    said, was, counts = reliability(highest, right)
    return float((np.abs(said - was) * counts).sum() / counts.sum())


def coverage_curve(said: Answers, classes: Array) -> tuple[Array, Array]:
    """Shares of slices answered, and the class accuracy of those: the surest first."""
    order = np.argsort(-said.probabilities.max(1), kind="stable")
    right = (said.probabilities.argmax(1) == classes)[order]
    counts = np.arange(1, len(right) + 1)
    return counts / len(right), right.cumsum() / counts


def _only(values: Array, chosen: Array) -> Array:
    return np.where(chosen, values.astype(float), np.nan)
