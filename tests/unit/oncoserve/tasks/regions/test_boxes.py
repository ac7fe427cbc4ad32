import numpy as np
import pytest

from oncoserve.tasks.regions.boxes import find


def test_peak_is_the_centre_of_the_hottest_cell():
    heatmap = np.zeros((4, 8), np.float32)
    heatmap[3, 1] = 0.75
    found = find(heatmap, np.zeros((4, 8, 4), np.float32))
    assert found.peak == (1.5 / 8, 3.5 / 4)
    assert found.certainty == 0.75


def test_only_warm_cells_joined_to_the_peak_vote_each_by_its_heat():
    heatmap = np.zeros((6, 6), np.float32)
    boxes = np.full((6, 6, 4), 0.9, np.float32)
    heatmap[2, 2], boxes[2, 2] = 0.8, (0.2, 0.2, 0.4, 0.6)
    heatmap[2, 3], boxes[2, 3] = 0.4, (0.5, 0.2, 0.7, 0.6)
    heatmap[3, 2] = 0.3  # too cool
    heatmap[5, 5] = 0.7  # apart
    assert find(heatmap, boxes).box == pytest.approx((0.3, 0.2, 0.5, 0.6))


def test_box_stays_in_the_picture_and_has_no_negative_side():
    boxes = np.tile(np.array([0.6, -0.5, 0.4, 1.5], np.float32), (3, 3, 1))
    assert find(np.full((3, 3), 0.5, np.float32), boxes).box == pytest.approx((0.6, 0, 0.6, 1))


def test_a_heatmap_of_zeros_has_a_peak_without_certainty():
    found = find(np.zeros((3, 3), np.float32), np.full((3, 3, 4), 0.5, np.float32))
    assert found.certainty == 0
    assert found.box == (0.5, 0.5, 0.5, 0.5)
