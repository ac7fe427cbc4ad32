import json
from dataclasses import replace

import numpy as np
import pytest

from loadtest.shared.answer_checks import Model, Tensor, fault, tensor_fault, upload_fault
from testbed.model_folder import card

CLASSIFIER = Model.from_document(
    {
        "name": "tiny",
        "card": card("tiny"),
        "configuration": {
            "inputs": [{"name": "image", "dtype": "uint8", "dims": [16, -1, 3]}],
            "outputs": [{"name": "probabilities", "dtype": "float32", "dims": [4]}],
        },
    }
)
SEGMENTER = Model("tissue", "segmentation", frozenset({"lumen", "other"}), (), ())

LOCALISER = replace(CLASSIFIER, task="localisation")

RIGHT = {
    "id": "0" * 32,
    "model": "tiny",
    "label": "red",
    "probabilities": {"red": 0.7, "green": 0.2, "blue": 0.1, "grey": 0.0},
}
AREAS = {"id": "0" * 32, "model": "tissue", "areas": {name: {"mm2": 1, "fraction": 0.5} for name in ("lumen", "other")}}


IMAGE = {"width": 64, "height": 48}
BOX = {"x": 10.0, "y": 20.0, "width": 54.0, "height": 28.0}


def placed(**change):
    return {**RIGHT, "image": IMAGE, "localisation": {"peak": {"x": 60.0, "y": 40.0}, "box": BOX, **change}}


PLACED = placed()


def test_right_answers_have_no_fault():
    assert fault(RIGHT, CLASSIFIER) == ""
    assert fault(AREAS, SEGMENTER) == ""
    assert fault(PLACED, LOCALISER) == ""
    assert fault(placed(box=None), LOCALISER) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../etc"},
        {"id": None},
        {"model": "other"},
        {"label": "green"},
        {"label": None},
        {"probabilities": {}},
        {"probabilities": {"red": 0.5, "green": 0.2, "blue": 0.1, "grey": 0.0}},
        {"probabilities": {"red": 0.7, "green": 0.3}},
    ],
)
def test_a_wrong_classification_is_noticed(change):
    assert fault(RIGHT | change, CLASSIFIER)


@pytest.mark.parametrize(
    "wrong",
    [RIGHT, placed(peak=None), placed(peak={"x": 60.0, "y": 50.0}), placed(box=BOX | {"width": 55.0}),
     PLACED | {"label": "green"}],
)  # fmt: skip
def test_a_wrong_localisation_is_noticed(wrong):
    assert fault(wrong, LOCALISER)


OUTLINER = replace(CLASSIFIER, task="delineation")
WHY = {"code": "classes_close", "text": "t", "value": 0.5, "limit": 0.6}
CLOSE = PLACED | {"label": None, "undetermined": WHY}
UNLIKE = CLOSE | {"probabilities": None, "localisation": None}


def test_an_undetermined_answer_is_one():
    assert [fault(each, OUTLINER) for each in (PLACED | {"undetermined": None}, CLOSE, UNLIKE)] == ["", "", ""]
    not_asked = UNLIKE | {"undetermined": WHY | {"value": None}, "warnings": [{"code": "blank_picture"}]}
    assert fault(not_asked, OUTLINER) == "no answer: ['blank_picture']"
    assert "yet the label is 'red'" in fault(CLOSE | {"label": "red"}, OUTLINER)
    wrong = {"peak": {"x": 99.0, "y": 4.0}, "box": None}
    assert fault(CLOSE | {"localisation": wrong}, OUTLINER)


@pytest.mark.parametrize(
    "areas",
    [{}, {"lumen": {"fraction": 1}}, {"lumen": {"fraction": 1.5}, "other": {"fraction": 0}}],
)
def test_a_wrong_segmentation_is_noticed(areas):
    assert fault(AREAS | {"areas": areas}, SEGMENTER)


@pytest.mark.parametrize(
    "odd",
    [None, [], "text", {"id": "0" * 32, "model": "tiny"}, RIGHT | {"probabilities": None},
     RIGHT | {"probabilities": {"red": "much", "green": 0, "blue": 0, "grey": 0}}],
)  # fmt: skip
def test_no_answer_is_so_odd_that_it_raises(odd):
    """An exception would leave the answer uncounted, and a run without a failure."""
    assert fault(odd, CLASSIFIER)


def test_no_answer_is_noticed_with_its_reason():
    unanswered = {"label": None, "probabilities": None, "warnings": [{"code": "blank_picture", "message": "Blank."}]}
    assert fault(RIGHT | unanswered, CLASSIFIER) == "no answer: ['blank_picture']"


@pytest.mark.parametrize("odd", [AREAS | {"areas": None}, AREAS | {"areas": {"lumen": {}, "other": {}}}])
def test_no_segmentation_is_so_odd_that_it_raises(odd):
    assert fault(odd, SEGMENTER)


@pytest.mark.parametrize("odd", [placed(box=[]), PLACED | {"image": None}, placed(peak={"x": 1.0})])
def test_no_localisation_is_so_odd_that_it_raises(odd):
    assert fault(odd, LOCALISER)


@pytest.mark.parametrize(
    ("body", "cache_status", "expected", "right"),
    [
        (json.dumps(RIGHT), "oncoserve; fwd=miss; stored", "miss", True),
        (json.dumps(RIGHT), "oncoserve; hit", "hit", True),
        (json.dumps(RIGHT), "oncoserve; hit", "miss", False),
        (json.dumps(RIGHT), "oncoserve; fwd=miss; stored", "hit", False),
        (json.dumps(RIGHT), "", "miss", False),
        (json.dumps(RIGHT | {"label": "green"}), "oncoserve; fwd=miss; stored", "miss", False),
        ("<html>", "oncoserve; fwd=miss; stored", "miss", False),
        ("", "oncoserve; fwd=miss; stored", "miss", False),
    ],
)
def test_an_upload_is_right_if_its_result_is_and_it_comes_from_where_it_should(body, cache_status, expected, right):
    assert (upload_fault(body, cache_status, CLASSIFIER, expected) == "") is right


def test_inputs_for_triton_are_as_configured():
    generator = np.random.default_rng(0)
    inputs = CLASSIFIER.random_inputs(generator)
    assert {name: (array.shape, array.dtype) for name, array in inputs.items()} == {
        "image": ((1, 16, 64, 3), np.dtype(np.uint8))
    }
    assert not np.array_equal(inputs["image"], CLASSIFIER.random_inputs(generator)["image"])


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        (np.zeros((1, 4, 7)), True),
        (None, False),
        (np.zeros((1, 4)), False),
        (np.zeros((1, 5, 7)), False),
        (np.zeros((2, 4, 7)), False),
        (np.full((1, 4, 7), np.nan), False),
    ],
)
def test_tensors_from_triton_are_checked(answer, right):
    assert (tensor_fault(answer, Tensor("maps", "float32", (4, -1))) == "") is right
