import numpy as np
import pytest

from training.calibrate import least_certainty, softmax, temperature
from training.data import Slices
from training.scores import Answers, calibration_error, confusion, overlap, per_slice, reliability, with_intervals


@pytest.mark.parametrize(
    ("other", "expected"),
    [((0, 0, 2, 2), 1), ((1, 0, 3, 2), 1 / 3), ((0.5, 0.5, 1.5, 1.5), 0.25), ((2, 0, 4, 2), 0), ((3, 3, 4, 4), 0)],
)
def test_overlap(other, expected):
    assert overlap(np.array([[0.0, 0, 2, 2]]), np.array([other], float)) == pytest.approx([expected])


def test_boxes_without_area_share_nothing():
    assert overlap(np.ones((1, 4)), np.ones((1, 4))).tolist() == [0]


def slices(classes):
    boxes = np.array([[0.1, 0.1, 0.3, 0.3] if index != 2 else [0, 0, 0, 0] for index in classes], np.float32)
    return Slices(np.zeros((len(classes), 1, 1), np.uint8), np.array(classes), boxes, np.arange(len(classes)))


def test_slices_without_a_tumour_have_no_say_in_where_it_is():
    truth = slices([0, 1, 2, 3])
    said = Answers(np.eye(4)[[0, 3, 2, 3]], np.ones(4), np.array([[0.2, 0.2], [0.2, 0.4], [0.2, 0.2], [0.29, 0.11]]),
                   np.array([[0.1, 0.1, 0.3, 0.3]] * 4))  # fmt: skip
    means = {name: np.nanmean(each) for name, each in per_slice(said, truth).items()}
    assert means["class accuracy, three tumour kinds"] == pytest.approx(2 / 3)
    assert means["class accuracy, all four"] == pytest.approx(3 / 4)
    assert means["peak inside the box"] == pytest.approx(2 / 3)
    assert means["mean IoU of the box"] == pytest.approx(1)
    assert means["recall of notumor"] == 1


def test_intervals_are_wider_where_neighbours_agree():
    truth = slices([0] * 400)
    scattered = np.tile([0.0, 1.0], 200)
    found = with_intervals({"scattered": scattered, "in blocks": np.sort(scattered)}, truth, seed=1)
    width = {name: each["high"] - each["low"] for name, each in found.items()}
    assert width["in blocks"] > 5 * width["scattered"]
    assert found["in blocks"]["value"] == 0.5


def test_confusion_counts_rows_by_truth():
    counts = confusion(np.eye(4)[[0, 1, 1]], np.array([0, 0, 1]))
    assert counts[0].tolist() == [1, 1, 0, 0]
    assert counts[1].tolist() == [0, 1, 0, 0]


def test_temperature_undoes_what_logits_were_multiplied_by():
    chance = np.random.default_rng(1)
    logits = chance.normal(size=(4000, 4)) * 2
    classes = np.array([chance.choice(4, p=each) for each in softmax(logits)])
    assert temperature(logits * 3, classes) == pytest.approx(3, rel=0.1)
    sure, cooled = softmax(logits * 3), softmax(logits * 3, 3)
    assert calibration_error(sure, classes) > 3 * calibration_error(cooled, classes)
    assert reliability(cooled, classes)[2].sum() == 4000


def test_least_certainty_spares_nearly_all_slices_without_a_tumour():
    certainty = np.concatenate([np.linspace(0, 0.34, 100), np.linspace(0.2, 0.9, 50)])
    assert least_certainty(certainty, np.arange(150) >= 100) == pytest.approx(0.4)
