"""Figures of models on labelled pictures, by hand; and the folders that the labels come in."""

import numpy as np
import pytest

from model_export.own.measured import figures
from model_export.own.measured.figures import Found
from model_export.own.measured.labelled import labelled_maps, labelled_pictures
from model_export.own.own_errors import OwnModelError
from oncoserve.tasks.card import Card
from testbed.encoded_pictures import encoded, scan
from testbed.fakes import card


def classes(*names):
    fields = {"classes": [{"name": name, "title": name, "colour": "#000000", "description": ""} for name in names]}
    return Card.model_validate(card("theirs").model_dump() | fields)


def said(patient, truth, label, sure=0.9):
    other = {"a": "b", "b": "a", None: "b"}[label]
    probabilities = {label or "a": sure, other: 1 - sure}
    return Found(patient, truth, label, probabilities if label else None)


def values(found):
    return {each.metric: each for each in found}


def test_accuracy_recall_and_calibration():
    found = [
        *(said(f"p{n}", "a", "a", 1.0) for n in range(6)),
        *(said(f"q{n}", "a", "b", 0.6) for n in range(2)),
        *(said(f"r{n}", "b", "b", 0.8) for n in range(4)),
    ]
    measured = values(figures.of_classes(found, classes("a", "b")))
    assert measured["accuracy"].value == pytest.approx(10 / 12, abs=1e-4)
    assert measured["recall of a"].value == 0.75
    assert "taken for others: b 2" in measured["recall of a"].of
    assert measured["recall of b"].value == 1
    # Six sure and right, two at 0.6 and wrong, four at 0.8 and right.
    assert measured["calibration error"].value == pytest.approx((0 * 6 + 0.6 * 2 + 0.2 * 4) / 12, abs=1e-4)
    assert measured["accuracy"].low < 10 / 12 < measured["accuracy"].high


def test_a_picture_that_got_no_class_counts_as_wrong():
    found = [said("p", "a", "a"), said("q", "a", None)]
    measured = values(figures.of_classes(found, classes("a", "b")))
    assert measured["accuracy"].value == 0.5
    assert "of 1 pictures it named none" in measured["accuracy"].of
    assert "no class 1" in measured["recall of a"].of


def test_intervals_are_over_patients():
    """Ten pictures of one patient tell little more than one."""
    random = np.random.default_rng(0)
    right = random.random(12) < 0.6
    apart = [said(f"{n} {m}", "a", "a" if right[n] else "b") for n in range(12) for m in range(10)]
    together = [said(f"{n}", "a", "a" if right[n] else "b") for n in range(12) for m in range(10)]
    by_picture, by_patient = (
        values(figures.of_classes(each, classes("a", "b")))["accuracy"] for each in (apart, together)
    )
    assert by_picture.value == by_patient.value
    assert by_patient.high - by_patient.low > 2 * (by_picture.high - by_picture.low)


def test_dice_is_of_the_pictures_that_have_the_class():
    found = [
        Found("p", counts={"a": (50, 100, 100), "b": (0, 0, 0)}),
        Found("q", counts={"a": (0, 10, 0), "b": (5, 5, 5)}),
    ]
    measured = values(figures.of_maps(found, classes("a", "b")))
    assert measured["Dice of a"].value == pytest.approx((0.5 + 0) / 2)
    assert measured["Dice of b"].value == 1
    assert "of 1 pictures" in measured["Dice of b"].of


@pytest.fixture
def folder(tmp_path):
    def write(*names):
        for number, name in enumerate(names):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(scan(seed=number)))
        return tmp_path

    return write


def test_folders_are_classes_and_a_table_says_whose_pictures(folder):
    there = folder("a/1.png", "a/2.png", "b/deep/3.png")
    (there / "patients.csv").write_text("file,patient\na/1.png,x\na/2.png,x\n")
    found = labelled_pictures(there, ["a", "b"])
    assert [(each.path.name, each.truth) for each in found] == [("1.png", "a"), ("2.png", "a"), ("3.png", "b")]
    assert [each.patient for each in found[:2]] == ["x", "x"]
    assert found[2].patient not in {"x", ""}


@pytest.mark.parametrize(
    ("names", "read", "words"),
    [
        (["c/1.png"], lambda there: labelled_pictures(there, ["a", "b"]), "a folder 'c', which is no class"),
        (["a.png"], lambda there: labelled_pictures(there, ["a", "b"]), "no pictures in folders named a, b"),
        (["a.png"], labelled_maps, "no pictures in pictures/"),
        (["pictures/1.png"], labelled_maps, "has no mask"),
    ],
)
def test_labels_that_are_none_are_told(folder, names, read, words):
    with pytest.raises(OwnModelError, match=words):
        read(folder(*names))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (b"picture,who\na/1.png,x\n", "the columns picture, who; file and patient are wanted"),
        (b"", "the columns ; file and patient are wanted"),
        (b"\x89PNG\xff", "is no table of comma-separated values"),
        (b"file,patient\na/1.png,x\na/2.png,x\n", r"line 3: 'a/2\.png' of 'x' is no file of this folder"),
        (b"file,patient\na/1.png,x\na/1.png,y\n", "line 3: .* is there twice"),
        (b"file,patient\na/1.png\n", "line 2: .* of None .* or has no patient"),
    ],
)
def test_a_table_that_does_not_say_whose_pictures_they_are_is_told(folder, table, words):
    there = folder("a/1.png")
    (there / "patients.csv").write_bytes(table)
    with pytest.raises(OwnModelError, match=words) as told:
        labelled_pictures(there, ["a", "b"])
    assert len(str(told.value)) < 400
