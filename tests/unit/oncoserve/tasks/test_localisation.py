import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import shapely
from PIL import Image

from oncoserve.errors import InferenceFailed
from oncoserve.inference.backend import TensorSpec
from oncoserve.pictures.decode import decode
from oncoserve.pictures.picture import Picture
from oncoserve.tasks.base import OverlayOptions, RenderingOptions, ServedModel, Stored
from oncoserve.tasks.card import Pictures
from oncoserve.tasks.localisation import Localisation, draw_overlay, write_polygons
from oncoserve.tasks.parameters import PictureParameters
from testbed.encoded_pictures import encoded, noise
from testbed.fakes import FP32, card, classifier

TASK = Localisation()
READING = {"nothing": "class2", "least_certainty": 0.3, "method": "m", "caption": "c", "figures": "f"}
CARD = card(task="localisation", localisation=READING)
HEAT = TensorSpec("heatmap", FP32, (4, 8))
BOXES = TensorSpec("boxes", FP32, (4, 8, 4))
TUMOUR, NOTHING = [0.7, 0.2, 0.1], [0.1, 0.2, 0.7]


def configuration(*outputs):
    made = classifier()
    return replace(made, outputs=(*made.outputs, *outputs))


MODEL = ServedModel(CARD, configuration(HEAT, BOXES), None, TASK)


def grey(size=(64, 48)):
    return Picture(noise(size).convert("L").convert("RGB"), "PNG")


def answer(probabilities=TUMOUR, certainty=0.9, box=(0.25, 0.0, 0.75, 0.5)):
    """All heat in the cell of row 1, column 3: its centre lies at 7/16 of the width and 3/8 of the height."""
    heatmap = np.zeros((1, 4, 8), np.float32)
    heatmap[0, 1, 3] = certainty
    boxes = np.broadcast_to(np.array(box, np.float32), (1, 4, 8, 4))
    return {"probabilities": np.array([probabilities], np.float32), "heatmap": heatmap, "boxes": boxes}


def result(tensors, picture=None):
    plan = TASK.plan(picture or grey(), MODEL, PictureParameters())
    list(plan.requests())
    plan.accept(0, tensors)
    return plan.result()


def stored(found, picture=None):
    picture = picture or grey()
    image = {"width": picture.width, "height": picture.height}
    document = {**found.document, "id": "f" * 32, "provenance": {"model": "tiny"}, "image": image}
    return Stored(document, found.artefacts, CARD, lambda: picture)


def polygons_of(found, orientation=1, **options):
    here = stored(found)
    here.document["image"]["orientation"] = orientation
    return json.loads("".join(write_polygons(here, RenderingOptions(**options))))


def test_peak_and_box_are_in_pixels_of_the_original():
    found = result(answer(), grey((640, 480)))
    assert found.document["label"] == "class0"
    assert found.document["localisation"] == {
        "certainty": 0.9,
        "peak": {"x": 280.0, "y": 180.0},
        "box": {"x": 160.0, "y": 0.0, "width": 320.0, "height": 240.0},
    }
    assert found.warnings == ()
    assert list(found.artefacts) == ["heatmap.npy"]


def test_a_turned_picture_is_measured_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = decode(encoded(noise((48, 64)).convert("L"), "JPEG", exif=exif), 10**6, "#000000")
    assert (picture.width, picture.height) == (64, 48)
    assert result(answer(), picture).document["localisation"]["peak"] == {"x": 28.0, "y": 18.0}


@pytest.mark.parametrize(
    ("probabilities", "certainty", "boxed", "codes"),
    [
        (TUMOUR, 0.31, True, []),
        (TUMOUR, 0.29, False, ["tumour_not_located"]),
        (NOTHING, 0.31, True, ["heat_without_tumour"]),
        (NOTHING, 0.29, False, []),
    ],
)
def test_class_and_heat_that_disagree_are_told(probabilities, certainty, boxed, codes):
    found = result(answer(probabilities, certainty))
    assert (found.document["localisation"]["box"] is not None) is boxed
    assert [each.code for each in found.warnings] == codes
    assert found.document["localisation"]["peak"] == {"x": 28.0, "y": 18.0}  # whatever the heat


def test_a_picture_that_is_none_for_the_model_is_not_asked_about():
    grey_only = replace(MODEL, card=CARD.model_copy(update={"pictures": Pictures(colour="grey")}))
    for picture, model, code in (
        (Picture(noise(), "PNG"), grey_only, "not_grey"),
        (Picture(Image.new("RGB", (64, 48)), "PNG"), MODEL, "blank_picture"),
    ):
        plan = TASK.plan(picture, model, PictureParameters())
        assert (plan.count, list(plan.requests())) == (0, [])
        found = plan.result()
        assert found.document == {"label": None, "probabilities": None, "localisation": None}
        assert [each.code for each in found.warnings] == [code]
        nothing = stored(found, picture)
        np.testing.assert_array_equal(draw_overlay(nothing, OverlayOptions()), picture.image())
        assert TASK.all_renderings[0].layer.strengths(nothing).max() == 0
        assert json.loads("".join(write_polygons(nothing, RenderingOptions())))["features"] == []


@pytest.mark.parametrize("change", [{"heatmap": 1.5}, {"heatmap": -0.1}, {"boxes": np.nan}, {"probabilities": 2.0}])
def test_numbers_that_cannot_be_are_refused(change):
    tensors = answer()
    for name, value in change.items():
        tensors[name] = np.full_like(tensors[name], value)
    with pytest.raises(InferenceFailed):
        result(tensors)


def test_the_layer_is_hot_at_the_peak_and_has_the_box_and_the_cross():
    layer = np.asarray(draw_overlay(stored(result(answer())), OverlayOptions(base="none", opacity=1)))
    colour = (213, 94, 0, 255)  # of class0
    assert layer.shape == (48, 64, 4)
    for x, y in ((16, 12), (48, 12), (32, 24), (28, 18), (26, 18), (28, 20)):  # edges of the box, the cross
        assert tuple(layer[y, x]) == colour, (x, y)
    assert layer[40:, :, 3].max() == 0  # no heat, no mark
    warm = np.asarray(draw_overlay(stored(result(answer(box=(0, 0, 1, 1)))), OverlayOptions(base="none", opacity=1)))
    assert warm[15, 25, 3] > 100


def test_nothing_is_marked_without_a_box():
    layer = np.asarray(draw_overlay(stored(result(answer(certainty=0.2))), OverlayOptions(base="none", opacity=1)))
    assert layer[..., 3].max() <= 60
    assert (
        json.loads("".join(write_polygons(stored(result(answer(certainty=0.2))), RenderingOptions())))["features"] == []
    )


def test_opacity_zero_is_the_picture():
    drawn = draw_overlay(stored(result(answer())), OverlayOptions(opacity=0))
    assert np.array_equal(np.asarray(drawn), grey().pixels)


def test_the_box_for_qupath_is_of_the_likeliest_tumour():
    collection = polygons_of(result(answer([0.1, 0.2, 0.7])))
    polygon, point = collection["features"]
    assert polygon["geometry"]["coordinates"] == [[[16, 0], [48, 0], [48, 24], [16, 24], [16, 0]]]
    assert point["geometry"] == {"type": "Point", "coordinates": [28, 18]}
    assert polygon["properties"]["classification"] == {"name": "Class 1", "color": [0, 114, 178]}
    assert polygon["properties"]["measurements"] == {"Oncoserve: Certainty": 0.9, "Oncoserve: Area px^2": 32 * 24}
    assert point["properties"]["measurements"] == {"Oncoserve: Certainty": 0.9}
    assert (polygon["properties"]["name"], point["properties"]["name"]) == ("Box", "Peak")
    assert polygon["id"] != point["id"]
    assert collection["provenance"] == {"model": "tiny", "drawn_with": {"frame": "file"}}
    assert collection["frame"] == {"name": "file", "width": 64, "height": 48}


@pytest.mark.parametrize(
    ("orientation", "peak", "left", "top", "right", "bottom"),
    [
        (1, [28, 18], 16, 0, 48, 24), (2, [36, 18], 16, 0, 48, 24), (3, [36, 30], 16, 24, 48, 48),
        (4, [28, 30], 16, 24, 48, 48), (5, [18, 28], 0, 16, 24, 48), (6, [18, 36], 0, 16, 24, 48),
        (7, [30, 36], 24, 16, 48, 48), (8, [30, 28], 24, 16, 48, 48),
    ],
)  # fmt: skip
def test_the_box_lies_in_the_frame_that_is_asked_for(orientation, peak, left, top, right, bottom):
    found = result(answer())
    polygon, point = polygons_of(found, orientation)["features"]
    assert point["geometry"]["coordinates"] == peak
    ring = polygon["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1]
    assert {tuple(each) for each in ring} == {(left, top), (right, top), (right, bottom), (left, bottom)}
    assert shapely.LinearRing(ring).is_ccw  # RFC 7946, section 3.1.6
    upright = polygons_of(found, orientation, frame="upright")
    assert [each["geometry"] for each in upright["features"]] == [
        each["geometry"] for each in polygons_of(found)["features"]
    ]
    assert upright["frame"] == {"name": "upright", "width": 64, "height": 48}
    assert [each["id"] for each in upright["features"]] == [polygon["id"], point["id"]]


def test_the_heatmap_is_kept_in_a_byte_a_cell():
    heat = np.load(io.BytesIO(result(answer(certainty=0.5)).artefacts["heatmap.npy"]), allow_pickle=False)
    assert (heat.dtype, heat.max()) == (np.uint8, 128)


@pytest.mark.parametrize(
    ("outputs", "made", "reason"),
    [
        ((), CARD, r"expected output heatmap float32 \[h, w\], got probabilities float32 \[3\]$"),
        ((HEAT,), CARD, r"expected output boxes float32 \[4, 8, 4\]"),
        ((HEAT, TensorSpec("boxes", FP32, (4, 4, 4))), CARD, r"expected output boxes float32 \[4, 8, 4\]"),
        ((HEAT, BOXES), card(task="localisation"), "card.json: expected localisation, got none"),
        (
            (HEAT, BOXES),
            card(localisation=READING | {"nothing": "healthy"}),
            r"expected localisation.nothing among \['class0', 'class1', 'class2'\], got 'healthy'",
        ),
    ],
)
def test_mismatches(outputs, made, reason):
    (found,) = TASK.mismatches(made, configuration(*outputs))
    assert re.search(reason, found), found


def test_what_fits_has_no_mismatch():
    assert TASK.mismatches(CARD, MODEL.configuration) == []
