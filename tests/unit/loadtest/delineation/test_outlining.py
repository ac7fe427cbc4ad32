import numpy as np
import pytest

from loadtest.delineation.__main__ import CALIBRATION, LEAST, MOST, STRANGERS
from loadtest.delineation.outlining import NO_TUMOUR, Slice, SliceAnswer, calibration, per_slice, read_slices

SQUARE = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
EMPTY = np.zeros((100, 200), bool)


def document(label="glioma", peak=(100, 50), probabilities=None):
    place = None if peak is None else {"peak": {"x": peak[0], "y": peak[1]}}
    return {"label": label, "probabilities": probabilities or {"glioma": 0.9, "pituitary": 0.1}, "localisation": place}


def test_rows_are_read_with_their_patients_and_clusters(tmp_path):
    (tmp_path / "slices.tsv").write_text(
        "file\tclass\tpatient\toutline\ng/1.jpg\tglioma\tp007\t0.1,0.2 0.3,0.2 0.3,0.4\nn/2.jpg\tnotumor\tc1\t\n"
    )
    (tmp_path / "no_tumour_clusters.tsv").write_text("file\tcluster\nn/2.jpg\tc1\nn/3.jpg\tc2\n")
    first, second, third = read_slices(tmp_path)
    assert (first.path, first.label, first.group) == (tmp_path / "g/1.jpg", "glioma", "p007")
    assert first.outline == ((0.1, 0.2), (0.3, 0.2), (0.3, 0.4))
    assert (second.label, second.group, second.outline) == (NO_TUMOUR, "c1", ())
    assert (third.label, third.group) == (NO_TUMOUR, "c2")


def test_an_outline_is_drawn_at_the_pictures_size():
    mask = Slice(None, "glioma", "p", SQUARE).mask(200, 100)
    assert mask.shape == (100, 200)
    assert mask.mean() == pytest.approx(0.25, abs=0.02)
    assert mask[50, 100]
    assert not mask[10, 100]


def test_a_peak_and_an_outline_are_compared_with_the_truth():
    truth = Slice(None, "glioma", "p", SQUARE).mask(200, 100)
    half = truth.copy()
    half[:, 100:] = False
    answer = SliceAnswer.of(document(), half, truth)
    assert (answer.label, answer.likeliest, answer.probability, answer.on_tumour) == ("glioma", "glioma", 0.9, True)
    assert answer.dice == pytest.approx(2 / 3, abs=0.02)
    assert SliceAnswer.of(document(), truth, truth).dice == 1
    missed = SliceAnswer.of(document(peak=(10, 50)), EMPTY, truth)
    assert (missed.on_tumour, missed.dice) == (False, 0)
    nothing = SliceAnswer.of({**document(None, None), "probabilities": None}, EMPTY, truth)
    assert (nothing.label, nothing.likeliest, nothing.probability, nothing.on_tumour) == (None, None, 0, False)


def test_figures():
    tumour, spare = Slice(None, "glioma", "p", SQUARE), Slice(None, NO_TUMOUR, "c", ())
    slices = [tumour] * 4 + [spare] * 2
    answers = [
        SliceAnswer("glioma", "glioma", 0.85, True, 0.8),
        SliceAnswer("pituitary", "pituitary", 0.95, True, 0.6),
        SliceAnswer(None, "glioma", 0.45, False, 0.1),
        SliceAnswer(None, None, 0.0, False, 0.0),
        SliceAnswer("glioma", "glioma", 0.75, False, 0.0),
        SliceAnswer(None, None, 0.0, False, 0.0),
    ]
    found = {name: np.nanmean(each) for name, each in per_slice(slices, answers).items()}
    assert found == pytest.approx(
        {
            "class accuracy where it answers": 0.5,
            "answers, slices with a tumour": 0.5,
            "peak on the tumour": 0.5,
            "peak on the tumour where it answers": 1.0,
            "Dice of the outline": 0.375,
            "Dice of the outline where it answers": 0.7,
            "slices without a tumour called one": 0.5,
        }
    )
    assert found.keys() >= LEAST.keys() | (MOST.keys() - {CALIBRATION, STRANGERS})
    # Right at 0.85 and 0.45, wrong at 0.95, a slice each; who shows no tumour or got no probabilities has no say.
    assert calibration(slices, answers) == pytest.approx((0.15 + 0.55 + 0.95) / 3)
    assert calibration(slices[4:], answers[4:]) is None
