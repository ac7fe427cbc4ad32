from dataclasses import replace

import numpy as np
import pytest
import shapely
from PIL import Image

from oncoserve.errors import InferenceFailed, InvalidParameter
from oncoserve.inference.backend import TensorSpec
from oncoserve.pictures.picture import Picture
from oncoserve.tasks.base import OverlayOptions, RenderingOptions
from oncoserve.tasks.card import Pictures
from oncoserve.tasks.delineation import DelineationParameters, draw_mask, draw_overlay
from testbed.encoded_pictures import noise
from testbed.fakes import FP32, card
from tests.unit.oncoserve.tasks.delineated import (
    BLOCK,
    CARD,
    MASK,
    MODEL,
    STRANGENESS,
    TASK,
    answer,
    configuration,
    mask_of,
    polygons_of,
    result,
    stored,
)


def of_delineation(**changes):
    return CARD.model_copy(update={"delineation": CARD.delineation.model_copy(update=changes)})


def test_a_tumour_is_named_outlined_and_measured():
    found = result(answer(), mm_per_px=0.5)
    document = found.document
    assert (document["label"], document["undetermined"], document["mm_per_px"]) == ("class0", None, 0.5)
    assert found.warnings == ()
    place = document["localisation"]
    assert (place["certainty"], place["peak"]) == (0.8999, {"x": 35.0, "y": 50.0})  # as half precision has it
    (polygon,) = place["outline"]
    outline = shapely.Polygon(polygon[0])
    assert outline.is_valid
    assert outline.area == place["area_px"]
    left, top, right, bottom = outline.bounds
    assert place["box"] == {"x": left, "y": top, "width": right - left, "height": bottom - top}
    # The six cells lie from (30, 40) to (50, 100); 0.4 of 0.9 lies a twentieth of a cell outside of them.
    assert (left, top, right, bottom) == (29, 39, 51, 101)
    farthest = max(shapely.Point(one).distance(shapely.Point(other)) for one in polygon[0] for other in polygon[0])
    assert place["longest_diameter_px"] == pytest.approx(farthest, abs=0.01)
    assert place["longest_diameter_mm"] == pytest.approx(farthest / 2, abs=0.01)
    assert place["area_mm2"] == pytest.approx(place["area_px"] / 4, abs=0.01)


def test_without_the_size_of_a_pixel_nothing_is_in_millimetres():
    place = result(answer()).document["localisation"]
    assert (place["area_mm2"], place["longest_diameter_mm"]) == (None, None)
    assert place["area_px"] > 0


@pytest.mark.parametrize("value", [1001, 0, -1, float("nan"), float("inf")])
def test_the_size_of_a_pixel_is_a_size(value):
    with pytest.raises(ValueError, match="mm_per_px"):
        DelineationParameters(mm_per_px=value)


@pytest.mark.parametrize("value", [0.049, 5.1])
def test_the_card_bounds_the_size_of_a_pixel(value):
    bounded = replace(MODEL, card=of_delineation(mm_per_px_range=(0.05, 5.0)))
    with pytest.raises(InvalidParameter, match=f"is {value}; for this model it is from 0.05 to 5 millimetres"):
        result(answer(), mm_per_px=value, model=bounded)
    for bound in (0.05, 5):
        assert result(answer(), mm_per_px=bound, model=bounded).document["mm_per_px"] == bound
    assert result(answer(), mm_per_px=value).document["mm_per_px"] == value


def test_a_model_that_does_not_tell_strangeness_is_not_asked_for_it():
    free = replace(MODEL, card=of_delineation(most_strangeness=None), configuration=configuration(MASK))
    assert TASK.mismatches(free.card, free.configuration) == []
    assert TASK.outputs(free.card) == {"probabilities", "mask"}
    assert "most_strangeness" not in TASK.limits(free.card)
    told = answer()
    del told["strangeness"]
    assert result(told, model=free).document["label"] == "class0"
    assert "most_strangeness" in TASK.mismatches(free.card, MODEL.configuration)[0]


def test_what_is_outlined_has_its_own_word():
    polyps = replace(MODEL, card=of_delineation(outlined="polyp"))
    unseen = result(answer(mask_of(*BLOCK, high=0.1)), model=polyps).document["undetermined"]
    assert "sees no polyp that it could name" in unseen["text"]


@pytest.mark.parametrize(
    ("tensors", "code", "value", "limit", "has"),
    [
        (answer(strangeness=2.01), "unlike_training", 2.01, 2.0, (False, False, False)),
        (answer(mask_of(*BLOCK, high=0.29)), "nothing_seen", 0.29, 0.3, (False, True, False)),
        (answer(probabilities=(0.59, 0.41, 0)), "classes_close", 0.59, 0.6, (True, True, True)),
        (answer(mask_of(*BLOCK, high=0.1), (0.4, 0.3, 0.3), 9), "unlike_training", 9, 2.0, (False, False, False)),
        (answer(mask_of(*BLOCK, high=0.1), (0.4, 0.3, 0.3)), "nothing_seen", 0.1, 0.3, (False, True, False)),
    ],
)
def test_thin_evidence_names_no_class_and_says_why(tensors, code, value, limit, has):
    found = result(tensors)
    why = found.document["undetermined"]
    assert found.document["label"] is None
    assert (why["code"], why["limit"]) == (code, limit)
    assert why["value"] == pytest.approx(value, abs=1e-3)
    assert f"and {limit:g} is the limit" in why["text"]
    place = found.document["localisation"]
    given = found.document["probabilities"] is not None, place is not None, bool(place and place["outline"])
    assert given == has
    assert (code == "unlike_training") is (found.artefacts == {})


@pytest.mark.parametrize(
    "tensors",
    [answer(strangeness=2.0), answer(mask_of(*BLOCK, high=0.25)), answer(probabilities=(0.625, 0.375, 0))],
)
def test_at_the_limit_a_class_is_named(tensors):
    model = replace(MODEL, card=of_delineation(least_seen=0.25, least_probability=0.625))
    assert result(tensors, model=model).document["undetermined"] is None


def test_what_is_seen_and_has_no_pixel_of_an_outline_is_told():
    found = result(answer(mask_of((3, 3), high=0.39)), mm_per_px=0.5)
    assert found.document["localisation"]["area_mm2"] == 0
    assert found.document["label"] == "class0"
    place = found.document["localisation"]
    assert (place["box"], place["area_px"], place["longest_diameter_px"], place["outline"]) == (None, 0, None, [])
    assert [each.code for each in found.warnings] == ["tumour_not_located"]


def test_of_several_regions_box_and_diameter_are_of_the_one_with_the_peak():
    mask = mask_of(*BLOCK)
    mask[0, 7, 7] = 0.95
    found = result(answer(mask))
    place = found.document["localisation"]
    assert [each.code for each in found.warnings] == ["several_regions"]
    assert "2 separate regions" in found.warnings[0].message
    assert place["box"]["x"] >= 65
    small = place["box"]["width"] * place["box"]["height"]
    assert place["area_px"] > 4 * small
    assert place["area_px"] == sum(shapely.Polygon(polygon[0]).area for polygon in place["outline"])


def test_a_hole_is_no_part_of_the_area():
    ring = [(row, column) for row in range(1, 6) for column in range(1, 6) if (row, column) != (3, 3)]
    place = result(answer(mask_of(*ring, high=0.99))).document["localisation"]
    ((outer, *holes),) = place["outline"]
    assert len(holes) == 1
    assert shapely.Polygon(outer, holes).area == place["area_px"]


def test_a_picture_that_is_none_for_the_model_is_not_asked_about():
    picky = replace(MODEL, card=CARD.model_copy(update={"pictures": Pictures(colour="grey")}))
    for picture, model, code in (
        (Picture(noise(), "PNG"), picky, "not_grey"),
        (Picture(Image.new("RGB", (64, 48)), "PNG"), MODEL, "blank_picture"),
    ):
        plan = TASK.plan(picture, model, DelineationParameters())
        assert (plan.count, list(plan.requests())) == (0, [])
        found = plan.result()
        (warning,) = found.warnings
        why = {"code": code, "text": warning.message, "value": None, "limit": None}
        assert found.document == {
            "label": None, "probabilities": None, "undetermined": why, "mm_per_px": None, "localisation": None,
        }  # fmt: skip
        assert warning.code == code
        nothing = stored(found, picture)
        np.testing.assert_array_equal(draw_overlay(nothing, OverlayOptions()), picture.image())
        assert TASK.all_renderings[0].layer.strengths(nothing).max() == 0
        assert polygons_of(nothing)["features"] == []
        assert draw_mask(nothing, RenderingOptions()).size == (picture.width, picture.height)


@pytest.mark.parametrize(
    "change",
    [{"mask": 1.5}, {"mask": -0.1}, {"mask": np.nan}, {"strangeness": np.inf}, {"probabilities": 2.0}],
)
def test_numbers_that_cannot_be_are_refused(change):
    tensors = answer()
    for name, value in change.items():
        tensors[name] = np.full_like(tensors[name], value)
    with pytest.raises(InferenceFailed):
        result(tensors)


def test_another_number_of_classes_than_the_cards_is_refused():
    free = replace(MODEL.configuration, outputs=(TensorSpec("probabilities", FP32, (-1,)), MASK, STRANGENESS))
    model = replace(MODEL, configuration=free)
    assert TASK.mismatches(CARD, free) == []
    assert result(answer(), model=model).document["label"] == "class0"
    with pytest.raises(InferenceFailed):
        result(answer(probabilities=(0.7, 0.1, 0.1, 0.1)), model=model)


@pytest.mark.parametrize(
    ("made", "configured", "reason"),
    [
        (CARD, configuration(STRANGENESS), "expected output mask float32"),
        (CARD, configuration(MASK), "expected output strangeness float32 [1]"),
        (CARD, configuration(TensorSpec("mask", FP32, (8, 8, 1)), STRANGENESS), "expected output mask"),
        (card(task="delineation"), configuration(MASK, STRANGENESS), "card.json: expected delineation, got none"),
        (CARD, configuration(MASK, STRANGENESS, classes=4), "expected output probabilities float32 [3]"),
    ],
)
def test_a_model_that_is_none_of_this_task_is_told(made, configured, reason):
    (found,) = TASK.mismatches(made, configured)
    assert found.startswith(reason)
