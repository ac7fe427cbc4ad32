"""Maps of models that are not ours: each kind of class, the whole picture or tiles, drawn and read again."""

import json

import numpy as np
import pytest
from PIL import Image

from oncoserve.errors import InvalidParameter
from oncoserve.inference.backend import ModelConfiguration, TensorSpec
from oncoserve.pictures.picture import Picture
from oncoserve.tasks.base import ServedModel, Stored
from oncoserve.tasks.card import Card
from oncoserve.tasks.maps.map_renderings import (
    MaskOptions,
    PolygonOptions,
    SegmentationOverlayOptions,
    View,
    draw_mask,
    draw_overlay,
    write_polygons,
)
from oncoserve.tasks.segmentation import Segmentation, SegmentationParameters
from testbed.fakes import card

TASK = Segmentation()
SIDE = 32
COLOURS = ("#ff0000", "#00ff00", "#0000ff", "#ffff00")


def made_card(names, preprocessing=None, **part):
    classes = [
        {"name": name, "title": name.title(), "colour": colour, "description": ""}
        for name, colour in zip(names, COLOURS, strict=False)
    ]
    fields = {"task": "segmentation", "classes": classes, "segmentation": part}
    fields["preprocessing"] = {"resize_filter": "box", "background": "#000000", **(preprocessing or {})}
    return Card.model_validate(card("maps").model_dump() | fields)


def model(made, channels):
    inputs = (TensorSpec("image", np.dtype(np.uint8), (SIDE, SIDE, 3)),)
    outputs = (TensorSpec("probabilities", np.dtype(np.uint8), (channels, SIDE, SIDE)),)
    configuration = ModelConfiguration("maps", "1", "onnxruntime", 4, inputs, outputs)
    assert TASK.mismatches(made, configuration) == []
    return ServedModel(made, configuration, None, TASK)


def picture(width=64, height=64):
    """Its red grows to the right, its green downwards: a model that answers with its pixels tells where it looked."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width).astype(np.uint8)
    pixels[..., 1] = np.linspace(0, 255, height).astype(np.uint8)[:, np.newaxis]
    pixels[..., 2] = 40
    return Picture(Image.fromarray(pixels), "PNG")


def run(made, shown, channels, **given):
    """A model that gives of each pixel the first colours, and of a third channel blue."""
    plan = TASK.plan(shown, model(made, channels), SegmentationParameters(**given))
    for index, request in enumerate(list(plan.requests())):
        plan.accept(index, {"probabilities": request["image"].transpose(0, 3, 1, 2)[:, :channels]})
    return plan.result()


def stored(found, shown, made):
    image = {"height": shown.height, "width": shown.width, "orientation": 1}
    warnings = [{"code": each.code} for each in found.warnings]
    document = {"id": "f" * 32, "image": image, "warnings": warnings, "provenance": {}, **found.document}
    return Stored(document, found.artefacts, made, lambda: shown)


def mask_of(here, **options):
    return np.asarray(draw_mask(here, MaskOptions(**options)))


def test_binary():
    made, shown = made_card(["right"], kind="binary"), picture()
    found = run(made, shown, 1)
    assert found.document["threshold"] == 0.5
    area = found.document["areas"]["right"]
    assert area == {"px": pytest.approx(64 * 32, abs=64), "mm2": None, "fraction": pytest.approx(0.5, abs=0.02)}
    here = stored(found, shown, made)
    assert mask_of(here).mean() == pytest.approx(0.5, abs=0.03)
    assert mask_of(here, threshold=0.9).mean() == pytest.approx(0.1, abs=0.03)
    assert TASK.review(here, View(threshold=0.9))["areas"]["right"]["fraction"] == pytest.approx(0.1, abs=0.03)
    drawn = np.asarray(draw_overlay(here, SegmentationOverlayOptions(opacity=1)))
    assert tuple(drawn[10, 60]) == (255, 0, 0)
    assert tuple(drawn[10, 4]) == tuple(shown.pixels[10, 4])


def test_multiclass_names_the_most_probable_and_its_background_nothing():
    made = made_card(["right", "low"], kind="multiclass", channels=["right", "low", None], threshold=0)
    shown = picture()
    here = stored(run(made, shown, 3), shown, made)
    mask = mask_of(here)
    assert (mask[2, 60], mask[60, 2], mask[2, 2]) == (1, 2, 0)
    red, green = shown.pixels[..., 0].astype(int), shown.pixels[..., 1].astype(int)
    sure = (np.abs(red - green) > 12) & (np.maximum(red, green) > 52)
    assert (mask[sure] == np.where(red > green, 1, 2)[sure]).all()
    areas = here.document["areas"]
    assert sum(each["fraction"] for each in areas.values()) == pytest.approx((mask > 0).mean(), abs=0.01)
    assert (mask_of(here, threshold=0.8) > 0).mean() < (mask > 0).mean()


def test_multilabel_counts_what_overlaps_for_each_and_paints_the_stronger():
    made, shown = made_card(["right", "low"], kind="multilabel"), picture()
    here = stored(run(made, shown, 2), shown, made)
    areas = here.document["areas"]
    assert [each["fraction"] for each in areas.values()] == pytest.approx([0.5, 0.5], abs=0.02)
    mask = mask_of(here)
    assert (mask > 0).mean() == pytest.approx(0.75, abs=0.03)
    assert (mask[40, 60], mask[60, 40]) == (1, 2)
    features = json.loads("".join(write_polygons(here, PolygonOptions())))["features"]
    sizes = {
        each["properties"]["name"]: each["properties"]["measurements"]["Oncoserve: Area px^2"] for each in features
    }
    assert sizes == {"right-1": pytest.approx(2048, abs=64), "low-1": pytest.approx(2048, abs=64)}
    view = View(threshold=0.5).model_dump_json()
    without = Stored(here.document, here.files, made, lambda: shown, {view: ["right-1"]})
    found = TASK.review(without, View())
    assert (found["areas"]["right"]["px"], found["excluded"]) == (0, ["right-1"])
    assert found["areas"]["low"] == areas["low"]


@pytest.mark.parametrize(("width", "height"), [(64, 64), (120, 30), (31, 77)])
@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
def test_a_whole_picture_is_one_request_and_its_map_lies_where_it_was_seen(width, height, fit):
    made, shown = made_card(["right"], {"fit": fit}, kind="binary"), picture(width, height)
    plan = TASK.plan(shown, model(made, 1), SegmentationParameters())
    (request,) = plan.requests()
    assert request["image"].shape == (1, SIDE, SIDE, 3)
    here = stored(run(made, shown, 1), shown, made)
    mask = mask_of(here)
    assert mask.shape == (height, width)
    assert ((mask == 1) != (shown.pixels[..., 0] > 127)).mean() < 0.07


@pytest.mark.parametrize(("width", "height"), [(32, 32), (20, 90), (150, 70)])
def test_tiles_give_what_one_would(width, height):
    made, shown = made_card(["right"], kind="binary", tiles={"overlap": 16, "margin": 8}), picture(width, height)
    found = run(made, shown, 1)
    here = stored(found, shown, made)
    assert ((mask_of(here) == 1) != (shown.pixels[..., 0] > 127)).mean() < 0.02
    assert found.document["um_per_px"] is None


def test_a_resolution_brings_a_picture_to_the_models():
    made = made_card(["right"], kind="binary", um_per_px=1000.0, tiles={"overlap": 16})
    shown = picture(200, 100)
    found = run(made, shown, 1, um_per_px=500.0)
    assert found.document["areas"]["right"]["mm2"] == pytest.approx(100 * 0.5 * 100 * 0.5, rel=0.03)
    assert found.document["areas"]["right"]["px"] == pytest.approx(100 * 100, rel=0.03)
    assumed = run(made, shown, 1)
    assert [each.code for each in assumed.warnings] == ["resolution_assumed"]
    assert assumed.document["um_per_px"] == 1000


def test_a_resolution_that_the_model_is_not_for_is_told():
    made = made_card(["right"], kind="binary", um_per_px=1.0, um_per_px_range=[0.1, 4], tiles={"overlap": 16})
    with pytest.raises(InvalidParameter, match=r"is 5; for this model it is from 0\.1 to 4"):
        TASK.plan(picture(), model(made, 1), SegmentationParameters(um_per_px=5))


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_the_viewers_layer_says_at_each_threshold_what_the_mask_does(kind):
    channels = 1 if kind == "binary" else 2
    made, shown = made_card(["right", "low"][:channels], kind=kind), picture()
    here = stored(run(made, shown, channels), shown, made)
    layer = TASK.renderings(made)[0].layer
    assert layer.kind == "strongest"
    number, strength, rest = np.moveaxis(layer.strengths(here), 2, 0)
    for threshold in (0.0, 0.3, 0.5, 0.9):
        shown_there = np.where(strength > int(threshold * 255), number, rest)
        mask = mask_of(here, threshold=threshold)[::2, ::2]
        assert (mask == shown_there).mean() > 0.97  # the mask is twice as fine


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"kind": "binary", "channels": ["right", "low"]}, "expected one channel for kind binary, got 2"),
        ({"kind": "multiclass", "channels": ["right", "left"]}, "of its classes, got left"),
        ({"kind": "multiclass", "channels": ["right", None]}, "expected one channel for each class"),
        ({"kind": "multilabel", "channels": ["right", "low", None]}, "no other channel for multilabel"),
        ({"kind": "multiclass", "steps": ["stains"], "um_per_px": 2, "tiles": {"overlap": 8}}, "glass beside stains"),
        ({"kind": "multiclass", "um_per_px": 2}, "expected tiles where um_per_px is fixed"),
        ({"kind": "multiclass", "tiles": {"overlap": SIDE}}, "below the tile's"),
    ],
)
def test_a_card_that_contradicts_itself_is_told(part, words):
    made = made_card(["right", "low"], **part)
    inputs = (TensorSpec("image", np.dtype(np.uint8), (SIDE, SIDE, 3)),)
    outputs = (TensorSpec("probabilities", np.dtype(np.uint8), (2, SIDE, SIDE)),)
    found = TASK.mismatches(made, ModelConfiguration("maps", "1", "onnxruntime", 4, inputs, outputs))
    assert words in "; ".join(found)
