import numpy as np
import pytest

from training.data import Slices
from training.figures.calibrate import Limits, limits, mask_limit, softmax, temperature
from training.figures.graph_answers import Answers, dice, on_tumour
from training.figures.scores import (
    by_patient,
    calibration_error,
    confusion,
    coverage_curve,
    per_slice,
    reliability,
    with_intervals,
)
from training.run_settings import NONE

SQUARE = np.zeros((32, 32), np.uint8)
SQUARE[8:16, 8:16] = 255
CELLS = (SQUARE[::4, ::4] / 255).astype(np.float16)


def said(probabilities, masks, strangeness=None):
    count = len(masks)
    return Answers(np.array(probabilities), np.array(masks), np.zeros(count) if strangeness is None else strangeness)


def truth(classes, groups=None):
    masks = np.stack([SQUARE if index != NONE else 0 * SQUARE for index in classes])
    names = [f"p{number}" for number in range(len(classes))] if groups is None else groups
    return Slices(masks, masks, np.array(classes), np.array(names))


def test_a_mask_is_compared_after_enlarging():
    masks = np.stack([CELLS, np.roll(CELLS, 2, 0), 0 * CELLS])
    assert on_tumour(masks, np.stack([SQUARE] * 3)).tolist() == [True, False, False]
    shared = dice(masks, np.stack([SQUARE] * 3), 0.5)
    assert shared[0] > 0.9
    assert shared[1] < 0.2
    assert shared[2] == 0
    assert dice(0 * masks, 0 * np.stack([SQUARE] * 3)).tolist() == [0, 0, 0]


def test_only_who_answers_counts_where_it_answers():
    eye = np.eye(3)
    answers = said(
        [eye[0], eye[1], eye[0], [0.4, 0.3, 0.3], eye[2], eye[0]],
        [CELLS, CELLS, 0.1 * CELLS, CELLS, CELLS, CELLS],
        np.array([0, 0, 0, 0, 9, 0]),
    )
    figures = per_slice(
        answers, truth([0, 0, 1, 1, 2, NONE]), Limits(strangeness=1, seen=0.5, probability=0.5, mask=0.35)
    )
    means = {name: np.nanmean(each) for name, each in figures.items() if not np.isnan(each).all()}
    assert means["answers, slices with a tumour"] == pytest.approx(2 / 5)
    assert means["class accuracy where it answers"] == pytest.approx(1 / 2)
    assert means["class accuracy of all"] == pytest.approx(2 / 5)
    assert means["slices without a tumour called one"] == 1
    assert means["peak on the tumour"] == 1
    assert np.isnan(figures["peak on the tumour"][5])
    assert means["recall of glioma"] == pytest.approx(1 / 2)


def test_intervals_are_wider_where_a_patients_slices_agree():
    groups = np.repeat(np.arange(20), 20)
    scattered = np.tile([0.0, 1.0], 200)
    found = with_intervals({"scattered": scattered, "alike": np.sort(scattered)}, groups, seed=1)
    width = {name: each["high"] - each["low"] for name, each in found.items()}
    assert width["alike"] > 5 * width["scattered"] + 0.1
    assert found["alike"]["value"] == 0.5
    assert with_intervals({"nothing": scattered * np.nan}, groups, seed=1) == {}


def test_confusion_counts_rows_by_truth_and_patients_once():
    weights = by_patient(np.array(["a", "a", "b"]))
    assert weights.tolist() == [0.5, 0.5, 1]
    counts = confusion(np.eye(3)[[0, 1, 1]], np.array([0, 0, 1]), weights)
    assert counts.tolist() == [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 0]]


def test_temperature_undoes_what_logits_were_multiplied_by():
    chance = np.random.default_rng(1)
    logits = chance.normal(size=(4000, 3)) * 2
    classes = np.array([chance.choice(3, p=each) for each in softmax(logits)])
    assert temperature(logits * 3, classes) == pytest.approx(3, rel=0.1)
    masks = [CELLS] * 4000
    sure, cooled = (said(softmax(logits * 3, each), masks).highest(classes) for each in (1, 3))
    assert calibration_error(*sure) > 3 * calibration_error(*cooled)
    assert reliability(*cooled)[2].sum() == 4000


def test_the_calibration_error_weighs_each_tenth_by_its_slices():
    highest, right = np.array([0.95, 0.95, 0.95, 0.45]), np.array([True, True, False, True])
    assert calibration_error(highest, right) == pytest.approx((3 * (0.95 - 2 / 3) + 0.55) / 4)


def test_limits_are_kept_by_the_stated_shares():
    chance = np.random.default_rng(1)
    count = 5000
    answers = said(
        softmax(chance.normal(size=(count, 3)) * 3),
        chance.random((count, 1, 1)),
        chance.random(count),
    )
    own = limits(answers, 0.4, typical=0.98, seen=0.9, clear=0.8)
    assert (answers.strangeness <= own.strangeness).mean() == pytest.approx(0.98, abs=0.002)
    assert (answers.seen >= own.seen).mean() == pytest.approx(0.9, abs=0.01)
    assert own.answered(answers).mean() == pytest.approx(0.98 * 0.9 * 0.8, abs=0.005)
    assert set(own.document()) >= {"strangeness", "seen", "probability", "seen_coverage"}


def test_a_limit_is_fitted_on_those_that_keep_the_ones_before_it():
    """The strange ones are faint, the faint ones unclear: counted, they would pull the next limit down."""
    strangeness = np.repeat([0.0, 9.0], [90, 10])
    seen = np.concatenate([np.linspace(0.5, 1, 90), np.zeros(10)])
    highest = np.where(seen >= 0.6, np.linspace(0.7, 0.9, 100), 0.4)
    probabilities = np.stack([highest, 1 - highest, 0 * highest], 1)
    own = limits(said(probabilities, seen[:, None, None], strangeness), 0.4, typical=0.9, seen=0.8, clear=1.0)
    assert own.seen == pytest.approx(np.quantile(seen[:90], 0.2))
    assert own.probability == highest[seen >= own.seen].min() > 0.7


def test_the_surest_are_answered_first():
    probabilities = [[0.9, 0.1, 0], [0.6, 0.4, 0], [0.5, 0.4, 0.1]]
    covered, right = coverage_curve(said(probabilities, [CELLS] * 3), np.array([0, 0, 1]))
    assert covered.tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert right.tolist() == pytest.approx([1, 1, 2 / 3])


def test_the_outline_is_cut_where_the_mean_dice_is_highest():
    truth = np.zeros((2, 4, 4), np.uint8)
    truth[:, :2] = 255
    masks = np.where(truth >= 128, 0.47, 0.42)  # cut above the one and below the other all is right
    assert mask_limit(masks, truth) == 0.45
    assert mask_limit(masks - 0.1, truth) == 0.35
