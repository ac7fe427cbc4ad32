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


def per_slice(said: Answers, truth: Slices, limits: Limits) -> dict[str, Array]:
    """Each figure slice by slice; NaN where a slice has no say in it."""
    tumour = truth.classes != NONE
    answered = limits.answered(said)
    right = (said.probabilities.argmax(1) == truth.classes).astype(float)
    peak, overlap = np.full(len(truth), np.nan), np.full(len(truth), np.nan)
    peak[tumour] = on_tumour(said.masks[tumour], truth.masks[tumour])
    overlap[tumour] = dice(said.masks[tumour], truth.masks[tumour], limits.mask)
    where = tumour & answered
    return {
        "class accuracy where it answers": _only(right, where),
        "class accuracy of all": _only(right, tumour),
        "answers, slices with a tumour": _only(answered.astype(float), tumour),
        "peak on the tumour": peak,
        "peak on the tumour where it answers": _only(peak, where),
        "Dice of the outline": overlap,
        "Dice of the outline where it answers": _only(overlap, where),
        "slices without a tumour called one": _only(answered.astype(float), ~tumour),
        **{f"recall of {name}": _only(right, truth.classes == index) for index, name in enumerate(CLASSES)},
        **{f"peak on the tumour, {name}": _only(peak, truth.classes == index) for index, name in enumerate(CLASSES)},
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
    return np.where(chosen, values, np.nan)
