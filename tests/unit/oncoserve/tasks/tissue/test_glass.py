import numpy as np
import pytest

from oncoserve.tasks.tissue.glass import GLASS, TISSUE, WHITE, analysis_picture, regions, white_mask


def test_the_share_of_tissue_is_that_of_lavlab_shell(histo, ihc, golden):
    for name, pixels in (("histo.jpg", histo), ("ihc.png", ihc)):
        assert 1 - white_mask(pixels).mean() == pytest.approx(golden[name]["tissue_fraction"], abs=1e-6)


@pytest.mark.parametrize("level", [215, 243, 255])
def test_empty_glass_is_white(level):
    assert white_mask(np.full((100, 120, 3), level, np.uint8)).all()


def test_dirt_on_glass_is_white_and_spots_in_tissue_are_tissue():
    pixels = np.full((100, 100, 3), 245, np.uint8)
    pixels[20:30, 20:30] = (120, 60, 140)
    assert white_mask(pixels).all()
    pixels[:] = (150, 80, 160)
    pixels[20:30, 20:30] = 245
    assert not white_mask(pixels).any()


def test_enclosed_white_is_not_glass():
    white = np.ones((400, 400), bool)
    white[100:300, 100:300] = False
    white[150:250, 150:250] = True
    found = regions(white, 2.0)
    assert (found[150:250, 150:250] == WHITE).all()
    assert (found[:100] == GLASS).all()
    assert (found[100:150, 100:300] == TISSUE).all()


@pytest.mark.parametrize(
    ("columns", "um_per_px", "expected"),
    [(30, 2.0, WHITE), (30, 8.0, GLASS), (120, 2.0, GLASS), (99, 2.0, WHITE), (101, 2.0, GLASS)],
)
def test_white_at_the_edge_is_glass_when_it_is_large(columns, um_per_px, expected):
    white = np.zeros((240, 400), bool)
    white[:, :columns] = True
    assert regions(white, um_per_px)[0, 0] == expected


def test_the_analysis_picture_is_bounded():
    assert analysis_picture(np.zeros((3000, 6000, 3), np.uint8)).shape == (1024, 2048, 3)
    small = np.zeros((30, 60, 3), np.uint8)
    assert analysis_picture(small) is small
