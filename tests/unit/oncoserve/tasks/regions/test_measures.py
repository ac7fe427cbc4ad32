import numpy as np
import pytest

from oncoserve.tasks.regions.measures import area, box, longest_diameter
from oncoserve.tasks.regions.outlines import polygons

RNG = np.random.default_rng(0)


def closed(ring):
    return [*ring.tolist(), ring[0].tolist()]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (12, 20), (31, 17)])
def test_of_a_region_as_of_its_pixels(shape):
    mask = RNG.random(shape) < 0.8
    mask[shape[0] // 2, shape[1] // 2] = True
    for polygon in polygons(mask):
        rings = [closed(ring) for ring in (polygon.outline, *polygon.holes)]
        corners = polygon.outline.astype(float)
        farthest = np.linalg.norm(corners[:, np.newaxis] - corners, axis=2).max()
        assert longest_diameter(rings[0]) == pytest.approx(farthest)
        left, top, width, height = box(rings[0])
        assert (left, top) == tuple(corners.min(axis=0))
        assert (left + width, top + height) == tuple(corners.max(axis=0))
        assert 0 < area(rings) <= width * height
    assert sum(area([closed(ring) for ring in (each.outline, *each.holes)]) for each in polygons(mask)) == mask.sum()


def test_the_longest_diameter_may_run_either_way():
    for way in (1, -1):
        slanted = np.zeros((20, 20), bool)
        for at in range(18):
            slanted[at, at : at + 2] = True
        (polygon,) = polygons(slanted[::way])
        assert longest_diameter(closed(polygon.outline)) == pytest.approx(np.hypot(19, 18))
