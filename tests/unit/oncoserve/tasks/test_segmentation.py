import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from oncoserve.errors import AreaTooLarge, InferenceFailed
from oncoserve.inference.backend import ModelConfiguration
from oncoserve.pictures.decode import read_header
from oncoserve.pictures.picture import Picture
from oncoserve.tasks.base import OverlayOptions, ServedModel, Stored
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
from oncoserve.tasks.tissue.glass import TISSUE
from testbed.encoded_pictures import encoded
from testbed.fakes import card
from testbed.models.tissue_maps import ANSWER, PART, TILE

TASK = Segmentation()
PROVENANCE = {"model": "tissue"}


def tissue_card():
    names = ("lumen", "epithelium", "other")
    classes = [
        {"name": name, "title": name.title(), "colour": colour, "description": ""}
        for name, colour in zip(names, ["#ff0000", "#00ff00", "#0000ff"], strict=True)
    ]
    return Card.model_validate(
        card("tissue").model_dump() | {"task": "segmentation", "classes": classes, "segmentation": PART}
    )


def model(**changes):
    fields = {"inputs": (TILE,), "outputs": (ANSWER,), "max_batch_size": 4} | changes
    configuration = ModelConfiguration("tissue", "1", "onnxruntime", **fields)
    return ServedModel(tissue_card(), configuration, None, TASK)


def stained(height=600, width=900):
    """Purple nuclei in pink on white glass: the left half is tissue."""
    generator = np.random.default_rng(0)
    pixels = np.full((height, width, 3), 245, np.uint8)
    tissue = np.where(generator.random((height, width // 2, 1)) < 0.3, (90, 50, 130), (225, 150, 190))
    noise = generator.integers(-12, 12, (height, width // 2, 3))
    pixels[:, : width // 2] = np.clip(tissue + noise, 0, 255).astype(np.uint8)
    return Picture(Image.fromarray(pixels), "PNG")


def answer(tile, lumen=0, epithelium=0, background=0):
    levels = np.array([lumen, epithelium, background], np.uint8).reshape(1, 3, 1, 1)
    return {"probabilities": np.broadcast_to(levels, (1, *ANSWER.dims)).copy()}


def run(picture, um_per_px=2.0, **levels):
    plan = TASK.plan(picture, model(), SegmentationParameters(um_per_px=um_per_px))
    tiles = list(plan.requests())
    assert len(tiles) == plan.count
    for index in reversed(range(plan.count)):  # answers may come in any order
        plan.accept(index, answer(tiles[index], **levels))
    return plan.result()


def stored(found, picture):
    height, width = picture.pixels.shape[:2]
    image = {"height": height, "width": width, "orientation": picture.orientation}
    warnings = [{"code": each.code} for each in found.warnings]
    document = {"id": "f" * 32, "image": image, "warnings": warnings, "provenance": PROVENANCE, **found.document}
    return Stored(document, found.artefacts, tissue_card(), lambda: picture)


def test_requests_are_tiles_of_the_configured_shape():
    plan = TASK.plan(stained(), model(), SegmentationParameters(um_per_px=2.0))
    tiles = list(plan.requests())
    assert plan.count == len(tiles) > 1
    for tile in tiles:
        assert tile["stains"].shape == (1, *TILE.dims)
        assert tile["stains"].dtype == np.uint8
        assert tile["stains"].flags.c_contiguous


def test_with_tta_four_directions_of_each_tile_are_asked_for_and_averaged():
    picture, plain, averaged = (
        stained(),
        SegmentationParameters(um_per_px=2.0),
        SegmentationParameters(um_per_px=2.0, tta=True),
    )
    header = read_header(encoded(picture.image()), 10**8)
    once, often = TASK.demand(header, model(), plain), TASK.demand(header, model(), averaged)
    assert (often.requests, often.bytes, often.planning_bytes) == (4 * once.requests, once.bytes, once.planning_bytes)
    plan = TASK.plan(picture, model(), averaged)
    requests = list(plan.requests())
    assert plan.count == len(requests) == 4 * TASK.plan(picture, model(), plain).count
    for quarters in range(4):
        assert np.array_equal(requests[quarters]["stains"][0], np.rot90(requests[0]["stains"][0], quarters))
    # A model that sees epithelium in the upper half of whatever it is sent: each pixel is there in two directions.
    for index, _ in reversed(list(enumerate(requests))):
        found = np.zeros((1, *ANSWER.dims), np.uint8)
        found[:, 1, :256] = 255
        plan.accept(index, {"probabilities": found})
    maps = np.load(io.BytesIO(plan.result().artefacts["maps.npy"])).astype(int)
    assert np.abs(maps[maps[..., 3] == TISSUE, 1] - 127.5).max() < 2


def test_areas_are_of_tissue_and_add_up():
    document = run(stained(), epithelium=200).document
    areas = document["areas"]
    assert list(areas) == ["lumen", "epithelium", "other"]
    assert sum(area["fraction"] for area in areas.values()) == pytest.approx(1, abs=1e-5)
    assert areas["epithelium"]["fraction"] > 0.95
    half_mm2 = 600 * 450 * 4e-6
    assert sum(area["mm2"] for area in areas.values()) == pytest.approx(half_mm2, rel=0.05)
    assert (document["um_per_px"], document["threshold"]) == (2.0, 0.5)


@pytest.mark.parametrize(("given", "tagged", "expected"), [(1.5, 0.25, 1.5), (None, 0.25, 0.25), (None, None, 0.5)])
def test_resolution_is_the_callers_the_files_or_assumed(given, tagged, expected):
    picture = stained()
    dpi = None if tagged is None else (25400 / tagged,) * 2
    tagged_picture = Picture(picture.image(), "PNG", dpi=dpi)
    found = run(tagged_picture, given)
    assert found.document["um_per_px"] == pytest.approx(expected)
    assumed = given is None and tagged is None
    assert ("resolution_assumed" in [each.code for each in found.warnings]) is assumed


def test_a_white_picture_is_a_result_without_areas():
    picture = Picture(Image.new("RGB", (300, 300), "white"), "PNG")
    plan = TASK.plan(picture, model(), SegmentationParameters(um_per_px=1.0))
    assert (plan.count, list(plan.requests())) == (0, [])
    found = plan.result()
    assert all(area == {"px": 0, "mm2": 0.0, "fraction": 0.0} for area in found.document["areas"].values())
    assert {"blank_picture", "no_tissue"} <= {each.code for each in found.warnings}


def test_a_picture_that_is_too_small_is_not_asked_about():
    picture = stained(6, 300)
    plan = TASK.plan(picture, model(), SegmentationParameters(um_per_px=1.0))
    assert (plan.count, list(plan.requests())) == (0, [])
    found = plan.result()
    assert all(area["mm2"] == 0 for area in found.document["areas"].values())
    assert "picture_too_small" in [each.code for each in found.warnings]


def test_another_threshold_gives_other_labels_without_inference():
    picture = stained()
    here = stored(run(picture, epithelium=150, background=10), picture)
    assert TASK.review(here, View(threshold=0.5))["areas"]["epithelium"]["fraction"] > 0.95
    high = TASK.review(here, View(threshold=0.7))
    assert (high["threshold"], high["areas"]["epithelium"]["fraction"]) == (0.7, 0.0)
    assert 2 in np.unique(np.asarray(draw_mask(here, MaskOptions(threshold=0.5))))
    assert 2 not in np.unique(np.asarray(draw_mask(here, MaskOptions(threshold=0.7))))


def test_mask_is_a_palette_of_the_original_size():
    picture = stained()
    mask = draw_mask(stored(run(picture, epithelium=200), picture), MaskOptions())
    assert (mask.mode, mask.size) == ("P", (900, 600))
    assert mask.getpalette()[:12] == [0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255]
    values = np.asarray(mask)
    assert (values[100:500, 100:350] == 2).mean() > 0.95
    assert (values[:, 600:] == 0).all()


def test_overlay_opacity_and_layer():
    picture = stained()
    here = stored(run(picture, epithelium=200), picture)
    clear = np.asarray(draw_overlay(here, SegmentationOverlayOptions(opacity=0)))
    assert np.array_equal(clear, picture.pixels)
    full = np.asarray(draw_overlay(here, SegmentationOverlayOptions(opacity=1)))
    assert tuple(full[300, 200]) == (0, 255, 0)
    layer = draw_overlay(here, SegmentationOverlayOptions(opacity=1, base="none"))
    assert layer.mode == "RGBA"
    assert layer.getpixel((800, 300))[3] == 0


def test_polygons_say_where_they_come_from():
    picture = stained()
    collection = json.loads("".join(write_polygons(stored(run(picture, epithelium=200), picture), PolygonOptions())))
    assert collection["type"] == "FeatureCollection"
    drawn_with = {"threshold": 0.5, "um_per_px": 2.0, "frame": "file", "objects": "auto", "excluded": "omit"}
    assert collection["provenance"] == {"model": "tissue", "drawn_with": drawn_with}
    names = {each["properties"]["classification"]["name"] for each in collection["features"]}
    assert "Epithelium" in names
    for each in collection["features"]:  # the areas in micrometres of a resolution that was given
        area = each["properties"]["measurements"]
        assert area["Oncoserve: Area \N{MICRO SIGN}m^2"] == area["Oncoserve: Area px^2"] * 4


def test_polygons_at_a_resolution_that_was_assumed_have_no_areas_in_micrometres():
    picture = stained()
    here = stored(run(picture, um_per_px=None, epithelium=200), picture)
    features = json.loads("".join(write_polygons(here, PolygonOptions())))["features"]
    assert {tuple(each["properties"]["measurements"]) for each in features} == {("Oncoserve: Area px^2",)}


def test_an_area_beyond_the_limit_is_refused_before_any_work():
    huge = Picture(Image.new("RGB", (4000, 4000), (200, 200, 200)), "PNG")
    with pytest.raises(AreaTooLarge, match=r"At 4 micrometres per pixel the picture has 64000000 .* limit is 25000000"):
        TASK.plan(huge, model(), SegmentationParameters(um_per_px=4.0))


@pytest.mark.parametrize("shape", [(1, 100_000_000), (100_000_000, 1)])
def test_a_thin_strip_counts_as_the_tiles_that_it_asks_for(shape):
    strip = Picture(Image.new("L", shape), "PNG")  # nobody looks at its pixels
    with pytest.raises(AreaTooLarge, match=r"12800000000 pixels .* limit is 25000000"):
        TASK.plan(strip, model(), SegmentationParameters(um_per_px=0.5))


def test_an_answer_of_another_shape_is_refused():
    plan = TASK.plan(stained(), model(), SegmentationParameters(um_per_px=2.0))
    with pytest.raises(InferenceFailed):
        plan.accept(0, {"probabilities": np.zeros((1, 3, 256, 256), np.uint8)})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"inputs": ()}, r"expected one input of uint8 \[H, W, 3\], got none"),
        ({"outputs": (TILE,)}, r"expected output probabilities uint8 \[3, 512, 512\] .*, got stains"),
        ({"max_batch_size": 0}, "max_batch_size of at least 1, got 0"),
    ],
)
def test_mismatches(changes, reason):
    found = TASK.mismatches(tissue_card(), model(**changes).configuration)
    assert re.search(reason, "; ".join(found))
    assert TASK.mismatches(tissue_card(), model().configuration) == []
    assert "expected segmentation, got none" in TASK.mismatches(card("tissue"), model().configuration)[0]


def test_options_of_other_tasks_do_not_apply():
    assert "threshold" not in OverlayOptions.model_fields
    assert {each.name for each in TASK.renderings(tissue_card())} == {"overlay.png", "mask.png", "polygons.geojson"}
