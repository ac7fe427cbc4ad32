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


@pytest.mark.parametrize("filter_name", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(512, 512), (400, 300), (300, 401), (333, 201), (1333, 1000), (90, 41), (60, 60)])
@pytest.mark.parametrize(("share", "whole"), [(0.875, 256), (224 / 232, 232), (0.9, 248), (0.7, 320), (1, 224)])
def test_the_middle_is_cut_out_as_pytorch_does_it(filter_name, size, share, whole):
    """Resize(whole) and CenterCrop(224) of torchvision, in Pillow's words."""
    rows, columns = np.mgrid[: size[1], : size[0]]
    stripes = [np.sin(columns / 11 + rows / 17), np.sin((columns - rows) / 5), np.sign(np.sin(columns / 23))]
    picture = Image.fromarray((127 + 120 * np.stack(stripes, axis=2)).astype(np.uint8))
    resized = [int(whole * side / min(size)) for side in size]
    left, top = (round((side - 224) / 2) for side in resized)
    theirs = picture.resize(resized, Image.Resampling[filter_name.upper()]).crop((left, top, left + 224, top + 224))
    wanted = Preprocessing(resize_filter=filter_name, background="#000000", fit="crop", crop_share=share)
    ours = Fit.of(wanted, size, (224, 224)).lay(picture, wanted)
    levels = np.abs(ours.astype(int) - np.asarray(theirs))
    assert levels.max() <= 2  # Pillow rounds in between, to the rows or the columns first as the sizes are
    assert levels.mean() < 0.1


def test_the_middle_of_a_strip_is_cut_out_without_resizing_all_of_it():
    wanted = how("crop", crop_share=0.875)
    found = Fit.of(wanted, (100_000, 1), (224, 224))
    assert found.seen == pytest.approx((50_000 - 0.4375, 0.0625, 50_000 + 0.4375, 0.9375))
    assert found.lay(Image.new("RGB", (100_000, 1)), wanted).shape == (224, 224, 3)


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
