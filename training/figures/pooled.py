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
        raw = self.said[part]
        return Answers(calibrate.softmax(raw.logits, temperature), raw.masks, self.strangeness(part, method))

    def strangeness(self, part: str, method: str) -> Array:
        """(N,) as the graph of this fold would say it."""
        return self.resemblance.parts(self.said[part].features, self.said[part].outliers)[method]


@dataclass(frozen=True)
class Fitted:
    """What is fitted on slices that no network was trained on."""

    temperature: float
    limits: calibrate.Limits


@dataclass(frozen=True)
class Unseen:
    """All patients, each asked of the network that did not see it, with limits that it had no part in.

    Attributes:
        figures: with intervals; the expected calibration error is of the slices with a tumour.
        said: of the slices.
        truth: the slices.
        fitted: of each fold.
    """

    figures: dict[str, Any]
    said: Answers
    truth: Slices
    fitted: list[Fitted]


def fitted(folds: Sequence[Fold], method: str, but: Slices | None = None) -> Fitted:
    """On the validation patients with a tumour of all folds.

    Args:
        folds: all.
        method: of judging resemblance.
        but: slices whose patients are left out: those that are then tested.
    """
    chosen = [fold.validation.classes != NONE for fold in folds]
    if but is not None:
        chosen = [own & ~np.isin(fold.validation.groups, but.groups) for fold, own in zip(folds, chosen, strict=True)]
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
        own = [fold.strangeness("validation", method)[fold.validation.classes != NONE] for fold in folds]
        limit = calibrate.strangeness_limit(np.concatenate(own))
        passed = [fold.strangeness("strangers", method)[strangers] <= limit for fold in folds]
        shares[method] = float(np.mean(passed))
    return shares


def by_network_unseen(folds: Sequence[Fold], method: str, seed: int) -> Unseen:
    """Figures of all patients, each by the network and the limits that did not see it."""
    fits = [fitted(folds, method, fold.test) for fold in folds]
    values: list[dict[str, Array]] = []
    said: list[Answers] = []
    for fold, own in zip(folds, fits, strict=True):
        said.append(fold.answers("test", own.temperature, method))
        values.append(scores.per_slice(said[-1], fold.test, own.limits))
    together, truth = joined(said), folds[0].test
    for fold in folds[1:]:
        truth = join(truth, fold.test)
    pooled = {name: np.concatenate([each[name] for each in values]) for name in values[0]}
    figures: dict[str, Any] = scores.with_intervals(pooled, truth.groups, seed)
    tumour = truth.classes != NONE
    answered = ~np.isnan(pooled[scores.ACCURACY])
    for name, chosen in (("of all", tumour), ("where it answers", answered)):
        error = scores.calibration_error(*together.take(chosen).highest(truth.classes[chosen]))
        figures[f"expected calibration error {name}"] = {"value": error}
    figures["folds"] = [{name: _mean(each) for name, each in one.items()} for one in values]
    return Unseen(figures, together, truth, fits)


def strangers_named(folds: Sequence[Fold], method: str, own: Fitted, strangers: Array) -> float:
    """Share of the strangers, (N,) bool, that get a class."""
    said = [fold.answers("strangers", own.temperature, method).take(strangers) for fold in folds]
    return float(np.mean([own.limits.answered(each) for each in said]))


def _mean(values: Array) -> float | None:
    counted = values[~np.isnan(values)]
    return float(counted.mean()) if len(counted) else None
