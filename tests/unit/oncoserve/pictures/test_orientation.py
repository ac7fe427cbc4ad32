"""All eight orientations, against what EXIF says about rows and columns, on pictures of odd sizes."""

import numpy as np
import pytest
from PIL import Image

from oncoserve.pictures.decode import decode
from oncoserve.pictures.orientation import Frame, orientation_of
from testbed.encoded_pictures import encoded, noise

# EXIF 2.3, 4.6.4 A: where in the picture the file's first row is, and its first column.
SIDES = {
    1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
    5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
}  # fmt: skip
SIZES = [(7, 4), (4, 7), (5, 5), (1, 3)]
each_orientation = pytest.mark.parametrize("orientation", range(1, 9))
each_size = pytest.mark.parametrize("size", SIZES)


def lie(upright, orientation):
    """(h, w, ...) the upright array as a file of that orientation holds it."""
    height, width = upright.shape[:2]
    ways = {"top": range(height), "bottom": range(height)[::-1], "left": range(width), "right": range(width)[::-1]}
    rows, columns = (ways[side] for side in SIDES[orientation])
    down = SIDES[orientation][0] in {"top", "bottom"}
    return np.array([[upright[(row, column) if down else (column, row)] for column in columns] for row in rows])


def exif(orientation):
    made = Image.Exif()
    made[0x0112] = orientation
    return made


@each_orientation
@each_size
def test_a_picture_in_its_files_frame_is_the_file(size, orientation):
    upright = np.asarray(noise(size))
    lying = lie(upright, orientation)
    picture = decode(encoded(Image.fromarray(lying), exif=exif(orientation)), 10**6, "#000000")
    assert np.array_equal(picture.pixels, upright)
    assert (picture.orientation, picture.turned) == (orientation, orientation != 1)
    frame = Frame(picture.orientation, picture.width, picture.height)
    back = frame.image(picture.image())
    assert frame.size == back.size
    assert np.array_equal(np.asarray(back), lying)


@each_orientation
@each_size
def test_the_corners_of_each_pixel_are_the_corners_of_the_same_pixel_in_the_file(size, orientation):
    width, height = size
    frame = Frame(orientation, width, height)
    numbers = np.arange(width * height).reshape(height, width)
    lying = lie(numbers, orientation)
    for y, x in np.ndindex(height, width):
        corners = frame.points(np.array([[x, y], [x + 1, y + 1]]))
        left, top = corners.min(axis=0)
        assert np.ptp(corners, axis=0).tolist() == [1, 1]
        assert lying[top, left] == numbers[y, x]


@each_orientation
def test_a_ring_goes_round_as_it_did(orientation):
    ring = np.array([[1, 1], [4, 1], [4, 3], [1, 3]])  # its inside is to the right

    def signed_area(points):
        x, y = points.T
        return (x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2

    frame = Frame(orientation, 9, 6)
    assert signed_area(frame.going(frame.points(ring))) == signed_area(ring) == 6


@pytest.mark.parametrize("tag", [None, 0, 9, 65535, "upside down", b"\x06", (6, 3), -1])
def test_a_tag_that_means_nothing_turns_nothing(tag):
    assert orientation_of(tag) == 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("content", [b"garbage", b"II*\0", b"II*\0\xff\xff\xff\xff"])
def test_exif_data_that_cannot_be_read_turns_nothing_and_breaks_nothing(kind, content):
    picture = decode(encoded(noise((7, 4)), kind, exif=b"Exif\0\0" + content), 10**6, "#000000")
    assert (picture.width, picture.height, picture.orientation) == (7, 4, 1)
