from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from oncoserve.tasks.maps.tiles import Grid
from oncoserve.tasks.maps.whole_picture import Maps
from oncoserve.tasks.tissue.glass import GLASS
from testbed.models.tissue_maps import CHANNELS, MARGIN, RULE, SIDE, blender_of, prepare_tissue
from tests.unit.oncoserve.tasks.label_grids import cells


def codes(pixels, um_per_px=0.5):
    return [warning.code for warning in prepare_tissue(pixels, um_per_px).warnings]


def blurred(pixels, radius):
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def on_glass(pixels, side):
    """The picture in the middle of empty glass."""
    slide = np.full((side, side, 3), 245, np.uint8)
    top, left = (side - pixels.shape[0]) // 2, (side - pixels.shape[1]) // 2
    slide[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return slide


def segment(prepared, answer):
    blender = blender_of(prepared.grid)
    for tile in prepared.tiles():
        blender.add(tile.top, tile.left, answer(tile.pixels))
    return prepared.maps(blender)


@pytest.fixture(scope="module")
def prepared_slide(slide):
    return prepare_tissue(slide, 0.499)


@pytest.fixture(scope="module")
def segmented_slide(prepared_slide, model):
    return segment(prepared_slide, model)


def test_a_sharp_he_picture_is_not_doubted(histo):
    assert codes(histo) == []


def test_brown_is_not_he(ihc):
    assert codes(ihc) == ["not_he_colours"]


@pytest.mark.parametrize("channels", [(1, 1, 1), (1, 0, 2), (0, 2, 1)], ids=["grey", "green", "blue absorbed"])
def test_other_colours_are_not_he(histo, channels):
    assert "not_he_colours" in codes(histo[..., list(channels)])


@pytest.mark.parametrize("um_per_px", [0.25, 0.5])
def test_strong_blur_is_noticed_at_the_models_resolution(histo, um_per_px):
    large = np.concatenate([histo, histo[::-1]] * 4, axis=0)
    radius_px = 4 / um_per_px
    assert "blurred" in codes(blurred(large, radius_px), um_per_px)
    assert "blurred" not in codes(blurred(large, radius_px / 8), um_per_px)


def test_little_tissue(histo):
    assert codes(on_glass(histo, 1000)) == []
    assert codes(on_glass(histo, 2400)) == ["little_tissue"]


@pytest.mark.parametrize(
    ("colour", "expected"),
    [(255, ["no_tissue"]), (243, ["no_tissue"]), (0, ["no_tissue", "not_he_colours"])],
)
def test_a_picture_without_tissue_is_a_result_with_no_areas(colour, expected):
    prepared = prepare_tissue(np.full((600, 800, 3), colour, np.uint8), 0.5)
    assert [warning.code for warning in prepared.warnings] == expected
    assert list(prepared.tiles()) == []
    segmentation = segment(prepared, None)
    labels = segmentation.labels(RULE, 0.5)
    assert labels.shape == (150, 200)
    assert not labels.values.any()
    assert {area.mm2 for area in segmentation.areas(labels, RULE).values()} == {0}


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (3, 300), (8, 8), (511, 513)])
@pytest.mark.parametrize("um_per_px", [0.1, 0.5, 4.0])
def test_odd_shapes_go_through(histo, shape, um_per_px):
    pixels = np.resize(histo, (*shape, 3))
    prepared = prepare_tissue(pixels, um_per_px)
    segmentation = segment(prepared, lambda stains: np.zeros((3, SIDE, SIDE), np.uint8) + stains[0, 0, 0])
    labels = segmentation.labels(RULE, 0.5)
    assert labels.shape == prepared.regions.shape
    assert all(area.mm2 >= 0 for area in segmentation.areas(labels, RULE).values())


def test_what_is_stored_comes_back(histo):
    prepared = prepare_tissue(histo, 0.5)
    first = segment(prepared, lambda stains: stains.transpose(2, 0, 1))
    again = Maps.from_npy(first.to_npy(), first.shape, first.um_per_px, CHANNELS)
    assert np.array_equal(again.labels(RULE, 0.3).values, first.labels(RULE, 0.3).values)
    assert again.areas(again.labels(RULE, 0.3), RULE) == first.areas(first.labels(RULE, 0.3), RULE)


@pytest.mark.parametrize("name", ["histo.jpg", "ihc.png"])
def test_probabilities_are_those_of_lavlab_shell(name, request, golden, model):
    pixels = request.getfixturevalue(name.partition(".")[0])
    found = segment(prepare_tissue(pixels, 2.0), model)
    np.testing.assert_allclose(cells(found.probabilities), golden[name]["probability_means"], atol=1)
    lumen, epithelium, background = np.moveaxis(found.probabilities, 2, 0)
    is_lumen = (lumen > 127) & (lumen > background)
    is_epithelium = (epithelium > 127) & (epithelium > background) & ~is_lumen
    expected = golden[name]["label_fractions"]
    assert is_lumen.mean() == pytest.approx(expected["lumen"], abs=0.002)
    assert is_epithelium.mean() == pytest.approx(expected["epithelium"], abs=0.002)


def moved(grid, pixels):
    """The grid moved up and left by so many pixels, with more tiles where its margin would be missed."""

    def starts(old, length):
        new = [start - pixels for start in old]
        while new[-1] + SIDE - MARGIN < length:
            new.append(new[-1] + old[1] - old[0])
        return tuple(new)

    return Grid(grid.shape, grid.side, starts(grid.tops, grid.shape[0]), starts(grid.lefts, grid.shape[1]))


@pytest.mark.long
@pytest.mark.slow
def test_moving_the_tiles_by_half_a_tile_changes_few_labels(prepared_slide, segmented_slide, model):
    grid = moved(prepared_slide.grid, SIDE // 2)
    again = replace(prepared_slide, grid=grid, positions=grid.positions(prepared_slide.regions != GLASS))
    first, second = (each.labels(RULE, 0.5).values for each in (segmented_slide, segment(again, model)))
    assert {1, 2, 3} <= set(np.unique(first).tolist())
    assert np.mean(first != second) < 0.02


def test_glass_around_tissue_is_not_lumen(segmented_slide):
    labels = segmented_slide.labels(RULE, 0.5)
    assert 0.55 < np.mean(labels.values == 0) < 0.65
    found = segmented_slide.areas(labels, RULE)
    assert found["lumen"].fraction < 0.15
