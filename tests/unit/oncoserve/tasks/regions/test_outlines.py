import numpy as np
import pytest
import shapely

from oncoserve.tasks.regions.components import components
from oncoserve.tasks.regions.outlines import polygons


def shapes(mask):
    return [shapely.Polygon(polygon.outline, polygon.holes) for polygon in polygons(mask)]


def test_one_pixel():
    mask = np.zeros((3, 4), bool)
    mask[1, 2] = True
    (polygon,) = polygons(mask)
    assert polygon.outline.tolist() == [[3, 1], [3, 2], [2, 2], [2, 1]]
    assert polygon.holes == ()


def test_a_hole_is_kept():
    mask = np.ones((5, 5), bool)
    mask[2, 2] = False
    (shape,) = shapes(mask)
    assert shape.area == 24
    assert len(shape.interiors) == 1


def test_an_island_in_a_hole_is_a_region_of_its_own():
    mask = np.ones((7, 7), bool)
    mask[1:6, 1:6] = False
    mask[3, 3] = True
    assert sorted(shape.area for shape in shapes(mask)) == [1, 24]


def test_diagonal_neighbours_are_two_regions():
    assert [shape.area for shape in shapes(np.eye(2, dtype=bool))] == [1, 1]


def test_an_outline_that_touches_itself_stays_valid():
    mask = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 1]], bool)  # the corner pixel and the hole meet in a point
    (shape,) = shapes(mask)
    assert shape.is_valid
    assert shape.area == 7
    assert len(shape.interiors) == 1


def test_holes_that_touch_each_other_stay_valid():
    mask = np.ones((6, 6), bool)
    mask[2, 2] = mask[3, 3] = False
    (shape,) = shapes(mask)
    assert shape.is_valid
    assert shape.area == 34
    assert len(shape.interiors) == 2


def test_nothing_to_trace():
    assert list(polygons(np.zeros((4, 5), bool))) == []


@pytest.mark.parametrize("seed", range(40))
def test_any_mask_gives_valid_polygons_with_the_exact_pixels(seed):
    random = np.random.default_rng(seed)
    mask = random.random(random.integers(1, 30, 2)) < random.uniform(0.1, 0.9)
    found = shapes(mask)
    assert all(shape.is_valid for shape in found)
    assert [shape.area for shape in found] == components(mask).sizes().tolist()
    painted = np.zeros(mask.shape, bool)
    y, x = np.indices(mask.shape) + 0.5
    for shape in found:
        painted |= shapely.contains_xy(shape, x, y)
    assert np.array_equal(painted, mask)
