import numpy as np
import pytest
from PIL import Image

from oncoserve.errors import InferenceFailed
from oncoserve.pictures.decode import Picture
from oncoserve.tasks.base import OverlayOptions, Parameters, ServedModel, Stored
from oncoserve.tasks.classification import Classification, draw_overlay
from testbed.encoded_pictures import noise
from testbed.fakes import card, classifier

TASK = Classification()


def picture(size=(64, 48)):
    return Picture(noise(size), "PNG")


def model(**options):
    return ServedModel(card(saliency=options.get("saliency")), classifier(**options), None, TASK)


def answer(probabilities, saliency=None):
    tensors = {"probabilities": np.array([probabilities], np.float32)}
    return tensors if saliency is None else tensors | {"saliency": np.array([saliency], np.float32)}


def result(tensors, **options):
    plan = TASK.plan(picture(), model(**options), Parameters())
    list(plan.requests())
    plan.accept(0, tensors)
    return plan.result()


def test_request_is_one_batch_of_the_configured_size_by_the_cards_filter():
    plan = TASK.plan(picture(), model(size=(10, 20)), Parameters())
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
    plan = TASK.plan(Picture(Image.new("RGB", (64, 48)), "PNG"), model(saliency=(2, 4)), Parameters())
    assert (plan.count, list(plan.requests())) == (0, [])
    found = plan.result()
    assert (found.document, found.artefacts) == ({"label": None, "probabilities": None}, {})
    assert [each.code for each in found.warnings] == ["blank_picture"]


def test_without_a_map_there_is_no_overlay():
    assert [each.name for each in TASK.renderings(card(saliency=True))] == ["overlay.png"]
    assert TASK.renderings(card()) == ()
