from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from oncoserve.errors import InferenceFailed
from oncoserve.inference.backend import TensorSpec
from oncoserve.pictures.picture import Picture
from oncoserve.tasks.base import OverlayOptions, ServedModel, Stored
from oncoserve.tasks.card import Labelling
from oncoserve.tasks.classification import Classification, draw_overlay
from oncoserve.tasks.parameters import PictureParameters
from testbed.encoded_pictures import noise
from testbed.fakes import FP32, card, classifier

TASK = Classification()
STRANGENESS = TensorSpec("strangeness", FP32, (1,))
RESEMBLANCE = {"most_strangeness": 1.0, "coverage": 0.98, "method": "m", "figures": "f"}


def picture(size=(64, 48)):
    return Picture(noise(size), "PNG")


def model(**options):
    return ServedModel(card(saliency=options.get("saliency")), classifier(**options), None, TASK)


def answer(probabilities, saliency=None):
    tensors = {"probabilities": np.array([probabilities], np.float32)}
    return tensors if saliency is None else tensors | {"saliency": np.array([saliency], np.float32)}


def result(tensors, **options):
    plan = TASK.plan(picture(), model(**options), PictureParameters())
    list(plan.requests())
    plan.accept(0, tensors)
    return plan.result()


def test_request_is_one_batch_of_the_configured_size_by_the_cards_filter():
    plan = TASK.plan(picture(), model(size=(10, 20)), PictureParameters())
    (tensors,) = plan.requests()
    assert plan.count == 1
    assert tensors["image"].shape == (1, 10, 20, 3)
    assert tensors["image"].flags.c_contiguous
    expected = noise((64, 48)).resize((20, 10), Image.Resampling.BICUBIC)
    # One level: see tests/unit/oncoserve/pictures/test_resize.py.
    assert np.abs(tensors["image"][0].astype(int) - np.asarray(expected)).max() <= 1


def test_label_is_the_most_probable_class():
    found = result(answer([0.2, 0.7, 0.1]))
    assert found.document == {
        "label": "class1",
        "probabilities": {"class0": 0.2, "class1": 0.7, "class2": 0.1},
        "undetermined": None,
    }
    assert found.artefacts == {}


@pytest.mark.parametrize(
    "probabilities", [[0.5, 0.5], [0.2, 0.2, 0.2], [1.5, -0.5, 0.0], [float("nan"), 0.5, 0.5]], ids=str
)
def test_numbers_that_are_no_probabilities_are_refused(probabilities):
    with pytest.raises(InferenceFailed):
        result(answer(probabilities))


def test_saliency_is_kept_for_the_overlay():
    found = result(answer([0.2, 0.7, 0.1], np.eye(4)), saliency=(4, 4))
    assert list(found.artefacts) == ["saliency.npy"]


def overlay(saliency, **options):
    artefacts = result(answer([0.2, 0.7, 0.1], saliency), saliency=np.shape(saliency)).artefacts
    document = {"image": {"width": 64, "height": 48}}
    return draw_overlay(Stored(document, artefacts, card(saliency=True), picture), OverlayOptions(**options))


def test_overlay_is_strong_where_the_map_is():
    saliency = np.zeros((4, 4))
    saliency[:, 3] = 1
    layer = np.asarray(overlay(saliency, base="none", opacity=0.8))
    assert layer.shape == (48, 64, 4)
    assert layer[:, :24, 3].max() == 0
    assert (layer[:, 60:, 3] == 204).all()


def test_opacity_zero_is_the_picture():
    assert np.array_equal(np.asarray(overlay(np.ones((2, 2)), opacity=0)), picture().pixels)
    shown = np.asarray(overlay(np.ones((2, 2)), opacity=1))
    assert (shown == shown[0, 0]).all()  # nothing of the picture shows through


def test_a_blank_picture_is_not_asked_about():
    plan = TASK.plan(Picture(Image.new("RGB", (64, 48)), "PNG"), model(saliency=(2, 4)), PictureParameters())
    assert (plan.count, list(plan.requests())) == (0, [])
    found = plan.result()
    (warning,) = found.warnings
    undetermined = {"code": "blank_picture", "text": warning.message, "value": None, "limit": None}
    assert found.document == {"label": None, "probabilities": None, "undetermined": undetermined}
    assert (found.artefacts, warning.code) == ({}, "blank_picture")


def strange(strangeness, **changes):
    """The result of a model with a saliency map that says how unlike its training pictures the picture is."""
    plain = classifier(saliency=(4, 4))
    configuration = replace(plain, outputs=(*plain.outputs, STRANGENESS))
    made = ServedModel(card(saliency=True, **{"resemblance": RESEMBLANCE} | changes), configuration, None, TASK)
    plan = TASK.plan(picture(), made, PictureParameters())
    assert set(plan.outputs) == {"probabilities", "saliency", "strangeness"}
    list(plan.requests())
    plan.accept(0, answer([0.2, 0.7, 0.1], np.eye(4)) | {"strangeness": np.array([[strangeness]], np.float32)})
    return plan.result()


def test_a_picture_unlike_the_training_pictures_gets_no_class_and_the_reason():
    found = strange(1.2345)
    assert (found.document["label"], found.document["probabilities"], found.artefacts) == (None, None, {})
    undetermined = found.document["undetermined"]
    assert (undetermined["code"], undetermined["value"], undetermined["limit"]) == ("unlike_training", 1.2345, 1.0)
    assert "1.23, and 1 is the limit" in undetermined["text"]
    assert found.warnings == ()


def test_at_the_limit_a_class_is_named():
    found = strange(1.0)
    assert (found.document["label"], found.document["undetermined"]) == ("class1", None)
    assert list(found.artefacts) == ["saliency.npy"]


def test_a_strangeness_that_is_no_number_is_refused():
    with pytest.raises(InferenceFailed):
        strange(np.nan)


@pytest.mark.parametrize(
    ("resemblance", "outputs", "reason"),
    [
        (RESEMBLANCE, (), "expected output strangeness float32 [1], got"),
        (RESEMBLANCE, (TensorSpec("strangeness", FP32, (2,)),), "expected output strangeness float32 [1], got"),
        (None, (STRANGENESS,), "card.json: expected resemblance, the limit of output strangeness, got none"),
    ],
)
def test_a_limit_and_the_number_that_it_is_of_come_together(resemblance, outputs, reason):
    plain = classifier()
    configuration = replace(plain, outputs=(*plain.outputs, *outputs))
    (found,) = TASK.mismatches(card(resemblance=resemblance), configuration)
    assert found.startswith(reason)
    assert TASK.mismatches(card(resemblance=RESEMBLANCE), replace(plain, outputs=(*plain.outputs, STRANGENESS))) == []


def test_without_a_map_there_is_no_overlay():
    assert [each.name for each in TASK.renderings(card(saliency=True))] == ["overlay.png"]
    assert TASK.renderings(card()) == ()


def labelled(tensors, **labelling):
    made = replace(model(), card=model().card.model_copy(update={"classification": Labelling(**labelling)}))
    plan = TASK.plan(picture(), made, PictureParameters())
    list(plan.requests())
    plan.accept(0, tensors)
    return plan.result().document


def test_below_the_least_probability_no_class_is_named():
    document = labelled(answer([0.2, 0.6, 0.2]), least_probability=0.7)
    assert (document["label"], document["probabilities"]["class1"]) == (None, 0.6)
    assert document["undetermined"]["code"] == "classes_close"
    assert (document["undetermined"]["value"], document["undetermined"]["limit"]) == (0.6, 0.7)
    assert labelled(answer([0.2, 0.7, 0.1]), least_probability=0.7)["label"] == "class1"


@pytest.mark.parametrize(
    ("probabilities", "labels", "label"),
    [
        ([0.9, 0.95, 0.1], ["class0", "class1"], "class1"),
        ([0.5, 0.1, 0.2], ["class0"], "class0"),
        ([0.4, 0.1, 0.2], [], None),
        ([0.4, 0.1, 0.25], ["class2"], "class2"),
        ([1.0, 1.0, 1.0], ["class0", "class1", "class2"], "class0"),
    ],
)
def test_of_many_labels_those_that_reach_their_thresholds_are_there(probabilities, labels, label):
    document = labelled(answer(probabilities), labels="many", thresholds={"class2": 0.25})
    assert (document["labels"], document["label"], document["undetermined"]) == (labels, label, None)


@pytest.mark.parametrize("probabilities", [[1.2, 0.1, 0.1], [-0.1, 0.1, 0.1]])
def test_of_many_labels_each_is_a_probability(probabilities):
    with pytest.raises(InferenceFailed):
        labelled(answer(probabilities), labels="many")


def test_other_thresholds_are_other_results():
    def limits(**labelling):
        return TASK.limits(card().model_copy(update={"classification": Labelling(**labelling)}))

    assert TASK.limits(card()) == {}
    assert limits(least_probability=0.5) != limits(least_probability=0.6)
    assert limits(labels="many", thresholds={"class0": 0.5}) != limits(labels="many")


def test_a_threshold_of_no_class_is_told():
    stray = card().model_copy(update={"classification": Labelling(labels="many", thresholds={"stray": 0.5})})
    assert TASK.mismatches(stray, classifier()) == ["card.json: expected thresholds of its classes, got stray"]
