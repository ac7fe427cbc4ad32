import numpy as np
import pytest
from PIL import Image

from oncoserve.pictures.resize import resize
from testbed.encoded_pictures import noise


def pillow(image, width, height, name):
    return np.asarray(image.resize((width, height), Image.Resampling[name.upper()]))


def levels_apart(image, width, height, name):
    return np.abs(resize(image, width, height, name).astype(int) - pillow(image, width, height, name))


def black_and_white(size):
    """Hard edges everywhere: the worst that values rounded and clipped between two passes can meet."""
    return noise(size).point(lambda value: 255 * (value > 127))


def soft(size):
    return noise((max(2, size[0] // 16), max(2, size[1] // 16))).resize(size, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("kind", [noise, black_and_white, soft])
@pytest.mark.parametrize(
    "size", [(512, 512), (895, 359), (359, 895), (240, 700), (700, 240), (360, 479), (360, 481), (2000, 1500)]
)
def test_a_smaller_picture_is_pillows_within_a_level(size, kind):
    difference = levels_apart(kind(size), 240, 240, "bicubic")
    # By proof two, in practice one: two are met in a few of a million values.
    assert difference.max() <= 2
    assert (difference > 1).mean() <= 1e-4
    assert (difference > 0).mean() <= 0.05


@pytest.mark.parametrize("name", ["bilinear", "lanczos", "box"])
def test_other_filters_are_pillows(name):
    assert levels_apart(noise((512, 512)), 240, 240, name).max() == 0


@pytest.mark.parametrize("size", [(100, 100), (97, 1001), (1001, 97), (30, 20)])
def test_an_enlarged_picture_is_pillows(size):
    assert levels_apart(noise(size), 240, 240, "bicubic").max() == 0


def test_a_picture_of_the_right_size_is_left_alone():
    image = noise((240, 240))
    assert np.array_equal(resize(image, 240, 240, "bicubic"), np.asarray(image))
