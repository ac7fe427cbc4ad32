import numpy as np
import pytest

from training.data import Slices
from training.figures.graph_answers import Raw
from training.figures.pooled import Fold, by_network_unseen, fitted, let_through, strangers_named
from training.run_settings import NONE
from training.serving.resemblance import Resemblance, fit_resemblance

CHANCE = np.random.default_rng(5)
FEATURES = 6


def typical(count):
    return CHANCE.normal(size=(count, FEATURES)) * np.arange(1, FEATURES + 1), CHANCE.normal(size=count) - 5


def raw(classes, *, strange=0.0):
    """Right about nine in ten; `strange` moves the features away."""
    classes = np.where(np.array(classes) == NONE, 0, classes)
    logits = 3 * np.eye(3)[classes] + CHANCE.normal(size=(len(classes), 3))
    features, outliers = typical(len(classes))
    return Raw(logits, CHANCE.uniform(0.3, 1, (len(classes), 4, 4)), outliers, features + strange)


def slices(prefix, count):
    classes = np.arange(count) % 4 - 1
    groups = np.array([f"{prefix}{number // 8}-{kind}" for number, kind in enumerate(classes)])
    masks = np.repeat(((classes != NONE) * 255).astype(np.uint8), 64).reshape(-1, 8, 8)
    return Slices(masks, masks, classes, groups)


@pytest.fixture(scope="module")
def folds():
    made = []
    for number in range(5):
        # The next fold's test begins with those who validate here, as in training/split.py.
        validation, test = slices(f"f{(number + 1) % 5}", 160), slices(f"f{number}", 320)
        said = {
            "validation": raw(validation.classes),
            "test": raw(test.classes),
            "strangers": raw([0] * 40, strange=30),
        }
        made.append(Fold(fit_resemblance(*typical(2000)), said, validation, test))
    return made


def test_what_is_typical_is_near_and_the_rest_is_far():
    features, outliers = typical(4000)
    own = fit_resemblance(features, outliers)
    parts = own.parts(*typical(4000))
    for name in ("distance", "head"):
        assert (parts[name] > 1).mean() == pytest.approx(0.01, abs=0.01)
    assert (own.parts(features + 30, outliers)["distance"] > 1).all()
    assert (own.parts(features, outliers + 10)["head"] > 1).all()
    assert (own.parts(features, outliers + 10)["both"] > 1).all()
    assert isinstance(own, Resemblance)


def test_limits_come_from_patients_that_are_not_tested(folds):
    spoilt = Raw(*(each.copy() for each in folds[4].said["validation"].parts().values()))
    spoilt.logits[:] = 0
    changed = [*folds[:4], Fold(folds[4].resemblance, {**folds[4].said, "validation": spoilt}, *sides(folds[4]))]
    # Fold 4 validates with those that fold 0 tests on: only there they are left out.
    assert fitted(changed, "both", folds[0].test) == fitted(folds, "both", folds[0].test)
    assert fitted(changed, "both", folds[1].test) != fitted(folds, "both", folds[1].test)


def sides(fold):
    return fold.validation, fold.test


def test_figures_of_all_patients(folds):
    unseen = by_network_unseen(folds, "both", seed=1)
    figures = unseen.figures
    assert len(unseen.truth) == len(unseen.said.probabilities) == 5 * 320
    assert unseen.fitted == [fitted(folds, "both", fold.test) for fold in folds]
    assert 0.8 < figures["class accuracy of all"]["value"] < 1
    assert figures["class accuracy of all"]["low"] < figures["class accuracy of all"]["value"]
    assert figures["answers, slices with a tumour"]["value"] == pytest.approx(0.99 * 0.93 * 0.96, abs=0.04)
    assert 0 <= figures["expected calibration error of all"]["value"] < 0.1
    assert len(figures["folds"]) == 5


def test_strangers_are_held_up(folds):
    shares = let_through(folds, np.arange(40) % 2 == 0)
    assert shares["distance"] == 0
    assert shares["head"] > 0.9
    for method, share in shares.items():
        own = fitted(folds, method)
        passed = [fold.answers("strangers", 1.0, method).strangeness[::2] <= own.limits.strangeness for fold in folds]
        assert share == np.mean(passed)
    named = {method: strangers_named(folds, method, fitted(folds, method), np.ones(40, bool)) for method in shares}
    assert named["distance"] == 0
    assert named["head"] > 0.5
