import numpy as np
import pytest

from oncoserve.tasks.maps.labels import Labels, areas
from oncoserve.tasks.regions.grids import at_original, nearest
from oncoserve.tasks.tissue.glass import GLASS, TISSUE, WHITE
from testbed.models.tissue_maps import BACKGROUND, EPITHELIUM, LUMEN, OTHER, RULE


def one(lumen, epithelium, background, region=TISSUE, threshold=0.5):
    probabilities = np.array([[[lumen, epithelium, background]]], np.uint8)
    return int(RULE.label(probabilities, np.array([[region]], np.uint8), threshold).values[0, 0])


@pytest.mark.parametrize(
    ("probabilities", "region", "expected"),
    [
        ((200, 0, 0), TISSUE, LUMEN),
        ((0, 200, 0), TISSUE, EPITHELIUM),
        ((0, 0, 200), TISSUE, OTHER),
        ((128, 250, 0), TISSUE, LUMEN),  # both pass: lumen wins, however sure the other is
        ((127, 128, 0), TISSUE, EPITHELIUM),  # 127/255 is under one half, 128/255 over it
        ((127, 127, 0), TISSUE, OTHER),
        ((200, 0, 200), TISSUE, OTHER),  # not over the background's
        ((200, 0, 199), TISSUE, LUMEN),
        ((200, 0, 0), WHITE, LUMEN),
        ((0, 0, 200), WHITE, BACKGROUND),
        ((200, 200, 0), GLASS, BACKGROUND),
    ],
)
def test_what_a_pixel_is(probabilities, region, expected):
    assert one(*probabilities, region) == expected


@pytest.mark.parametrize(("threshold", "expected"), [(0.0, LUMEN), (0.7, LUMEN), (0.8, EPITHELIUM), (0.95, OTHER)])
def test_a_higher_threshold_takes_classes_away(threshold, expected):
    assert one(200, 230, 10, threshold=threshold) == expected


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_the_ends_of_the_threshold(threshold):
    assert one(0, 0, 0, threshold=threshold) == OTHER
    assert one(255, 0, 0, threshold=threshold) == (OTHER if threshold else LUMEN)


@pytest.mark.parametrize("factor", [2, 3, 8])
def test_whole_factors_repeat_labels(factor):
    labels = np.random.default_rng(0).integers(0, 4, (5, 7)).astype(np.uint8)
    repeated = labels.repeat(factor, axis=0).repeat(factor, axis=1)
    assert np.array_equal(at_original(labels, repeated.shape), repeated)
    assert np.array_equal(at_original(repeated, labels.shape), labels)


def test_areas_are_those_of_the_original():
    labels = np.array([[0, 1, 2, 2], [3, 3, 3, 3]], np.uint8)
    found = areas(Labels(labels), RULE, None, (20, 40), um_per_px=0.5)
    whole_mm2 = 20 * 40 * 0.25 / 1e6
    assert found["lumen"].mm2 == pytest.approx(whole_mm2 / 8)
    assert found["epithelium"].fraction == pytest.approx(2 / 7)
    assert sum(area.fraction for area in found.values()) == pytest.approx(1)


def test_no_tissue_has_no_area():
    found = areas(Labels(np.zeros((4, 4), np.uint8)), RULE, None, (16, 16), um_per_px=0.5)
    assert {(area.mm2, area.fraction) for area in found.values()} == {(0, 0)}


@pytest.mark.parametrize(
    ("source", "target", "expected"), [(5, 2, [1, 3]), (2, 5, [0, 0, 1, 1, 1]), (3, 3, [0, 1, 2]), (4, 1, [2])]
)
def test_a_pixel_takes_the_label_under_its_centre(source, target, expected):
    assert nearest(source, target).tolist() == expected
