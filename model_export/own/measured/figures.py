"""Figures of a model on labelled pictures, with intervals over patients."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from oncoserve.tasks.card import Card

ROUNDS: Final = 1000
"""Of the bootstrap: patients drawn with replacement."""
INTERVAL: Final = (2.5, 97.5)
BINS: Final = 10


@dataclass(frozen=True)
class Found:
    """What a model said of a picture, beside what is true.

    Attributes:
        patient: Whose picture it is.
        truth: The class, of a classifier.
        label: What the model named; None for nothing.
        probabilities: By class; None where it was not asked.
        counts: Of a segmenter, by class: pixels that both have, that the model has, and that are true.
    """

    patient: str
    truth: str | None = None
    label: str | None = None
    probabilities: Mapping[str, float] | None = None
    counts: Mapping[str, Sequence[int]] | None = None


@dataclass(frozen=True)
class Value:
    """A figure with its interval, and what more there is to say of it."""

    metric: str
    value: float
    low: float
    high: float
    of: str = ""


def of_classes(found: Sequence[Found], card: Card) -> list[Value]:
    """Accuracy, recall of each class with whom it is taken for, and calibration.

    Accuracy and recall count a picture without a class as wrong; calibration is of those that have one.
    """
    truths = np.array([each.truth for each in found])
    labels = np.array([each.label or "" for each in found])
    right = (truths == labels).astype(float)
    groups = _groups(found)
    unnamed = int((labels == "").sum())
    silent = f"; of {unnamed} pictures it named none, which counts as wrong" if unnamed else ""
    values = [_value("accuracy", _mean(right), groups, silent)]
    for each in card.classes:
        own = truths == each.name
        if own.any():
            others = {name: int((labels[own] == name).sum()) for name in sorted(set(labels[own]) - {each.name})}
            taken = ", ".join(f"{name or 'no class'} {count}" for name, count in others.items()) or "none"
            of = f"; {int(own.sum())} pictures, taken for others: {taken}"
            values.append(_value(f"recall of {each.name}", _share(right, own), groups, of))
    named = [number for number, each in enumerate(found) if each.label and each.probabilities]
    if named:
        sure = np.array([max((found[number].probabilities or {}).values()) for number in named])
        of = f"; mean distance of certainty and accuracy over {BINS} bins, of {len(named)} pictures with a class"
        there = np.zeros(len(found), bool)
        there[named] = True
        certainty = np.zeros(len(found))
        certainty[named] = sure
        values.append(_value("calibration error", _calibration(certainty, right, there), groups, of))
    return values


def of_maps(found: Sequence[Found], card: Card) -> list[Value]:
    """Dice of each class: the mean over pictures that have it, in truth or in the answer."""
    groups, values = _groups(found), []
    for each in card.classes:
        both, said, true = np.array([(one.counts or {})[each.name] for one in found], float).T
        there = (said + true) > 0
        if there.any():
            dice = np.divide(2 * both, said + true, out=np.zeros_like(both), where=there)
            of = f"; of {int(there.sum())} pictures with the class in truth or in the answer"
            values.append(_value(f"Dice of {each.name}", _share(dice, there), groups, of))
    return values


Statistic = Callable[[NDArray[np.int64]], float]
"""A figure of the pictures with these indices, some of them more than once; not a number where there is nothing."""


def _value(metric: str, statistic: Statistic, groups: Sequence[NDArray[np.int64]], of: str) -> Value:
    everything = np.concatenate(groups)
    drawn = np.array([each for each in _drawn(statistic, groups) if np.isfinite(each)])
    low, high = np.percentile(drawn, INTERVAL) if len(drawn) else (np.nan, np.nan)
    return Value(metric, round(statistic(everything), 4), float(low), float(high), of)


def _drawn(statistic: Statistic, groups: Sequence[NDArray[np.int64]]) -> Iterator[float]:
    random = np.random.default_rng(0)
    for _ in range(ROUNDS):
        yield statistic(np.concatenate([groups[each] for each in random.integers(0, len(groups), len(groups))]))


def _groups(found: Sequence[Found]) -> list[NDArray[np.int64]]:
    """Indices of each patient's pictures."""
    names = np.array([each.patient for each in found])
    return [np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())]


def _mean(values: NDArray[np.float64]) -> Statistic:
    return lambda chosen: float(values[chosen].mean())


def _share(values: NDArray[np.float64], there: NDArray[np.bool_]) -> Statistic:
    def statistic(chosen: NDArray[np.int64]) -> float:
        kept = chosen[there[chosen]]
        return float(values[kept].mean()) if len(kept) else float("nan")

    return statistic


def _calibration(certainty: NDArray[np.float64], right: NDArray[np.float64], there: NDArray[np.bool_]) -> Statistic:
    def statistic(chosen: NDArray[np.int64]) -> float:
        kept = chosen[there[chosen]]
        if not len(kept):
            return float("nan")
        bins = np.minimum((certainty[kept] * BINS).astype(int), BINS - 1)
        gaps = [abs(float((certainty[kept][bins == each] - right[kept][bins == each]).sum())) for each in range(BINS)]
        return sum(gaps) / len(kept)

    return statistic
