import numpy as np
import pytest
from PIL import Image

from oncoserve.results.viewing.levels import Levels
from oncoserve.results.viewing.pyramid import Pyramid, fill, size_of
from oncoserve.tasks.regions.grids import at_original


def whole(pyramid, levels, level):
    """A level, put together from its tiles."""
    width, height = levels.size(level)
    boxes = [box for x in range(9) for y in range(9) if (box := levels.box(level, x, y))]
    picture = Image.new(pyramid.tile(level, boxes[0]).mode, (width, height))
    for box in boxes:
        picture.paste(pyramid.tile(level, box), box[:2])
    return np.asarray(picture)


def made(pixels, levels, **how):
    memory = np.empty(size_of(pixels.shape), np.uint8)
    fill(memory, pixels, **how)
    return Pyramid(memory, pixels.shape, levels)


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(700, 1300, 3), (1025, 33, 3), (40, 60, 3), (600, 500, 4)])
def test_the_last_level_is_the_picture_itself(shape):
    pixels, levels = noise(*shape), Levels(shape[1], shape[0])
    assert np.array_equal(whole(made(pixels, levels), levels, levels.last), pixels)


def test_each_level_is_the_average_of_the_next():
    pixels, levels = noise(1100, 1300, 3), Levels(1300, 1100)
    pyramid = made(pixels, levels)
    for level in range(levels.last):
        finer = Image.fromarray(whole(pyramid, levels, level + 1))
        assert np.array_equal(whole(pyramid, levels, level), np.asarray(finer.reduce(2)))


@pytest.mark.parametrize("grid", [(325, 175), (1300, 700), (33, 19), (1400, 900)])
def test_a_layer_of_another_grid_lies_as_the_mask_does(grid):
    layer, levels = noise(grid[1], grid[0]), Levels(1300, 700)
    assert np.array_equal(whole(made(layer, levels), levels, levels.last), at_original(layer, (700, 1300)))


def test_a_coarse_layer_stays_in_register_at_every_level():
    """A layer that is bright right of the middle is so in every level, to the pixel."""
    layer, levels = np.zeros((100, 200, 3), np.uint8), Levels(2400, 1200)
    layer[:, 100:] = 255
    pyramid = made(layer, levels)
    for level in range(levels.last + 1):
        drawn = whole(pyramid, levels, level)
        middle = drawn.shape[1] // 2
        assert not drawn[:, :middle].any()
        assert drawn[:, middle:].all()


def test_memory_is_a_third_more_than_the_pixels():
    pixels = noise(2048, 2048, 3)
    assert size_of(pixels.shape) == pytest.approx(pixels.nbytes * 4 / 3, rel=0.05)


def test_channels_that_are_no_brightness_are_never_averaged():
    pixels, levels = noise(700, 1300, 3), Levels(1300, 700)
    pyramid = made(pixels, levels, averaged=False)
    assert np.array_equal(whole(pyramid, levels, levels.last), pixels)
    known = {tuple(each) for each in pixels.reshape(-1, 3).tolist()}
    assert {tuple(each) for each in whole(pyramid, levels, 0).reshape(-1, 3).tolist()} <= known
