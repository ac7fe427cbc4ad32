"""What is drawn and written of a delineation: mask, polygons, overlay, and what is stored for them."""

import io
from dataclasses import replace

import numpy as np
import pytest
import shapely
from PIL import Image

from oncoserve.tasks.base import OverlayOptions, RenderingOptions
from oncoserve.tasks.delineation import draw_mask, draw_overlay
from oncoserve.tasks.outline import GRID_SIDE, cut
from tests.unit.oncoserve.tasks.delineated import BLOCK, CARD, answer, grey, mask_of, polygons_of, result, stored


@pytest.mark.parametrize("size", [(80, 160), (64, 48), (3 * GRID_SIDE, 2 * GRID_SIDE - 7), (9, 11)])
def test_mask_polygons_and_numbers_are_of_the_same_pixels(size):
    picture = grey(size)
    found = result(answer(), picture)
    here = stored(found, picture)
    drawn = np.asarray(draw_mask(here, RenderingOptions()))
    assert drawn.shape == (size[1], size[0])
    assert np.count_nonzero(drawn) == found.document["localisation"]["area_px"] > 0
    region, peak = polygons_of(here)["features"]
    assert shapely.geometry.shape(region["geometry"]).area == np.count_nonzero(drawn)
    assert region["properties"]["classification"]["name"] == "Class 0"
    assert region["properties"]["measurements"] == {
        "Oncoserve: Certainty": 0.8999,
        "Oncoserve: Area px^2": np.count_nonzero(drawn),
    }
    assert peak["geometry"]["type"] == "Point"
    assert (region["properties"]["name"], peak["properties"]["name"]) == ("class0-1", "Peak")


def test_the_grid_of_an_outline_is_bounded_so_that_a_result_stays_small():
    mask = mask_of(*BLOCK)[0]
    assert [cut(mask, size, 0.4).shape for size in ((80, 160), (4000, 3000), (9, 5000))] == [
        (160, 80), (384, GRID_SIDE), (GRID_SIDE, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_only_what_may_be_inside_is_enlarged_and_it_comes_out_as_with_all_of_the_mask(seed):
    random = np.random.default_rng(seed)
    rows, columns = (int(each) for each in random.integers(1, 60, 2))
    mask = random.random((rows, columns))
    if seed % 2:  # some of it, and anywhere
        top, left = random.integers(0, rows), random.integers(0, columns)
        mask[:top], mask[:, :left], mask[top + 9 :], mask[:, left + 5 :] = 0, 0, 0, 0
    size = tuple(int(each) for each in random.integers(1, (90, 3000)[seed % 3 > 0], 2))
    scale, least = min(1, GRID_SIDE / max(size)), random.random()
    whole = Image.fromarray(mask.astype(np.float32)).resize(
        [max(1, round(each * scale)) for each in size], Image.Resampling.BILINEAR
    )
    assert np.array_equal(cut(mask, size, least), np.asarray(whole) >= np.float32(least))


def test_what_is_drawn_later_is_what_was_measured_whatever_the_card_says_by_then():
    found = result(answer())
    changed = CARD.delineation.model_copy(update={"least_mask": 0.8})
    here = replace(stored(found), card=CARD.model_copy(update={"delineation": changed}))
    assert np.count_nonzero(draw_mask(here, RenderingOptions())) == found.document["localisation"]["area_px"]


def test_polygons_are_in_micrometres_where_the_size_of_a_pixel_is_known():
    region, _ = polygons_of(stored(result(answer(), mm_per_px=0.5)))["features"]
    measured = region["properties"]["measurements"]
    assert measured["Oncoserve: Area \u00b5m^2"] == measured["Oncoserve: Area px^2"] * 500**2


def test_polygons_of_a_turned_picture_lie_as_the_file_does():
    found = result(answer())
    here, upright = stored(found, orientation=6), found.document["localisation"]
    region, peak = polygons_of(here)["features"]
    left, top, right, bottom = shapely.geometry.shape(region["geometry"]).bounds
    box = upright["box"]
    assert (left, right) == (box["y"], box["y"] + box["height"])  # upright x runs downwards from the file's bottom
    assert (top, bottom) == (80 - box["x"] - box["width"], 80 - box["x"])
    assert peak["geometry"]["coordinates"] == [upright["peak"]["y"], 80 - upright["peak"]["x"]]
    same, _ = polygons_of(here, frame="upright")["features"]
    assert same["geometry"]["coordinates"] == upright["outline"][0]


def test_an_outline_of_no_named_class_is_grey():
    here = stored(result(answer(probabilities=(0.4, 0.3, 0.3))))
    region, _ = polygons_of(here)["features"]
    assert region["properties"]["classification"] == {
        "name": "Tumour, kind undetermined", "color": [128, 128, 128],
    }  # fmt: skip
    assert draw_mask(here, RenderingOptions()).getpalette()[3:6] == [128, 128, 128]


def test_the_overlay_has_the_outline_and_the_cross_and_nothing_without_one():
    layer = np.asarray(draw_overlay(stored(result(answer())), OverlayOptions(base="none", opacity=1)))
    colour = (213, 94, 0, 255)  # of class0
    place = result(answer()).document["localisation"]
    for x, y in (*place["outline"][0][0][:3], (35, 50), (33, 50), (35, 52)):
        assert tuple(layer[y, x]) == colour, (x, y)
    assert layer[140:, :, 3].max() == 0
    unseen = stored(result(answer(mask_of(*BLOCK, high=0.2))))
    assert np.asarray(draw_overlay(unseen, OverlayOptions(base="none", opacity=1)))[..., 3].max() < 70
    assert polygons_of(unseen)["features"] == []
    assert not np.asarray(draw_mask(unseen, RenderingOptions())).any()


def test_the_stored_mask_is_small():
    (content,) = result(answer()).artefacts.values()
    assert len(content) < 300
    assert np.load(io.BytesIO(content)).dtype == np.float16
