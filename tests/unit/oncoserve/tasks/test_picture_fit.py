"""Pictures brought to a model's size, and places brought back."""

import numpy as np
import pytest
from PIL import Image

from oncoserve.tasks.card import Preprocessing
from oncoserve.tasks.picture_fit import Fit


def how(fit, **more):
    return Preprocessing(resize_filter="box", background="#ff0000", fit=fit, **more)


@pytest.mark.parametrize(
    ("fit", "picture", "seen", "laid"),
    [
        (how("stretch"), (200, 100), (0, 0, 200, 100), (0, 0, 50, 50)),
        (how("letterbox"), (200, 100), (0, 0, 200, 100), (0, 12, 50, 37)),
        (how("letterbox"), (100, 200), (0, 0, 100, 200), (12, 0, 37, 50)),
        (how("letterbox"), (5000, 1), (0, 0, 5000, 1), (0, 24, 50, 25)),
        (how("crop"), (200, 100), (50, 0, 150, 100), (0, 0, 50, 50)),
        (how("crop", crop_share=0.5), (200, 100), (75, 25, 125, 75), (0, 0, 50, 50)),
        (how("crop"), (1, 1), (0, 0, 1, 1), (0, 0, 50, 50)),
    ],
    ids=str,
)
def test_what_is_seen_and_where_it_lies(fit, picture, seen, laid):
    found = Fit.of(fit, picture, (50, 50))
    assert (found.seen, found.laid) == (seen, laid)
    pixels = found.lay(Image.new("RGB", picture, (0, 0, 255)), fit).copy()
    assert pixels.shape == (50, 50, 3)
    left, top, right, bottom = laid
    assert (pixels[top:bottom, left:right] == (0, 0, 255)).all()
    pixels[top:bottom, left:right] = (255, 0, 0)
    assert (pixels == (255, 0, 0)).all()


@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
def test_a_place_comes_back_to_where_it_was(fit):
    """A white square in the middle of the picture is found on the tensor, and its corners lead back to it."""
    picture = np.zeros((120, 240, 3), np.uint8)
    picture[48:72, 96:144] = 255
    found = Fit.of(how(fit), (240, 120), (60, 60))
    rows, columns = np.nonzero(found.lay(Image.fromarray(picture), how(fit))[..., 1] > 127)
    corners = np.array([[columns.min(), rows.min()], [columns.max() + 1, rows.max() + 1]], float)
    assert np.abs(found.back(corners) - [[96, 48], [144, 72]]).max() <= 4


def test_what_lies_beside_the_picture_comes_back_to_its_edge():
    found = Fit.of(how("letterbox"), (200, 100), (50, 50))
    assert found.back(np.array([[-5.0, 2.0], [60.0, 49.0]])).tolist() == [[0, 0], [200, 100]]
