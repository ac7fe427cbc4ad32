"""From what the five folds say to limits, figures and the way in which resemblance is judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.data import Slices, join
from training.figures import calibrate, scores
from training.figures.graph_answers import Answers, Array, Raw, joined
from training.run_settings import NONE
from training.serving.resemblance import METHODS, Resemblance


@dataclass(frozen=True)
class Fold:
    """What one fold brings.

    Attributes:
        resemblance: of its network.
        said: what the network says of the slices "validation" and "test", and of the pictures "strangers".
        validation: slices of SIDE pixels.
        test: the same.
    """

    resemblance: Resemblance
    said: Mapping[str, Raw]
    validation: Slices
    test: Slices

    def answers(self, part: str, temperature: float, method: str) -> Answers:
        """As the graph of this fold would say it."""
        return as_answers(self.said[part], self.resemblance, temperature, method)


@dataclass(frozen=True)
class Fitted:
    """What is fitted on slices that no network was trained on."""

    temperature: float
    limits: calibrate.Limits


def as_answers(raw: Raw, resemblance: Resemblance, temperature: float, method: str) -> Answers:
    """Calibrated."""
    strangeness = resemblance.parts(raw.features, raw.outliers)[method]
    return Answers(calibrate.softmax(raw.logits, temperature), raw.masks, strangeness)


def fitted(folds: Sequence[Fold], method: str, but: Slices | None = None) -> Fitted:
    """On the validation patients with a tumour of all folds.

    Args:
        folds: all.
        method: of judging resemblance.
        but: slices whose patients are left out: those that are then tested.
    """
    chosen = []
    for fold in folds:
        counts = fold.validation.classes != NONE
        if but is not None:
            counts &= ~np.isin(fold.validation.groups, but.groups)
        chosen.append(counts)
    logits = np.concatenate([fold.said["validation"].logits[own] for fold, own in zip(folds, chosen, strict=True)])
    classes = np.concatenate([fold.validation.classes[own] for fold, own in zip(folds, chosen, strict=True)])
    temperature = calibrate.temperature(logits, classes)
    said = [fold.answers("validation", temperature, method).take(own) for fold, own in zip(folds, chosen, strict=True)]
    truth = [fold.validation.masks[own] for fold, own in zip(folds, chosen, strict=True)]
    together = joined(said)
    mask = calibrate.mask_limit(together.masks, np.concatenate(truth))
    return Fitted(temperature, calibrate.limits(together, mask))


def let_through(folds: Sequence[Fold], strangers: Array) -> dict[str, float]:
    """For each method the share of the strangers that is typical enough, at the limit of the validation patients.

    Args:
        folds: all.
        strangers: (N,) bool, which are counted.
    """
    shares = {}
    for method in METHODS:
        limit = fitted(folds, method).limits.strangeness
        passed = [fold.answers("strangers", 1.0, method).strangeness[strangers] <= limit for fold in folds]
        shares[method] = float(np.mean(passed))
    return shares


def by_network_unseen(folds: Sequence[Fold], method: str, seed: int) -> tuple[dict[str, Any], Answers, Slices]:
    """Figures of all patients, each by the network and the limits that did not see it; what was said, of which slices.

    The expected calibration error is of the slices with a tumour.
    """
    values: list[dict[str, Array]] = []
    said: list[Answers] = []
    for fold in folds:
        own = fitted(folds, method, fold.test)
        said.append(fold.answers("test", own.temperature, method))
        values.append(scores.per_slice(said[-1], fold.test, own.limits))
    together, truth = joined(said), folds[0].test
    for fold in folds[1:]:
        truth = join(truth, fold.test)
    pooled = {name: np.concatenate([each[name] for each in values]) for name in values[0]}
    figures: dict[str, Any] = scores.with_intervals(pooled, truth.groups, seed)
    tumour = truth.classes != NONE
    answered = ~np.isnan(pooled["class accuracy where it answers"])
    for name, chosen in (("of all", tumour), ("where it answers", answered)):
        error = scores.calibration_error(*together.take(chosen).highest(truth.classes[chosen]))
        figures[f"expected calibration error {name}"] = {"value": error}
    figures["folds"] = [{name: _mean(each) for name, each in own.items()} for own in values]
    return figures, together, truth


def strangers_named(folds: Sequence[Fold], method: str, strangers: Array) -> float:
    """Share of the strangers, (N,) bool, that get a class."""
    own = fitted(folds, method)
    said = [fold.answers("strangers", own.temperature, method).take(strangers) for fold in folds]
    return float(np.mean([own.limits.answered(each) for each in said]))


def _mean(values: Array) -> float | None:
    counted = values[~np.isnan(values)]
    return float(counted.mean()) if len(counted) else None
