import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from loadtest.shared.distinct_uploads import Pictures

SIDES = (240, 320)


def pixels(picture):
    with Image.open(io.BytesIO(picture.data)) as image:
        return np.asarray(image.convert("RGB"))


def test_no_file_is_made_twice():
    first, second = (Pictures(0, "classification", SIDES) for _ in range(2))
    made = [supply.next().data for supply in (first, second) for _ in range(50)]
    assert len({hashlib.sha256(data).digest() for data in made}) == 100


def test_the_same_seed_gives_the_same_pixels_in_the_same_order():
    first, again, other = (Pictures(seed, "classification", SIDES) for seed in (3, 3, 4))
    for _ in range(8):
        mine = pixels(first.next())
        assert np.array_equal(mine, pixels(again.next()))
    assert not all(np.array_equal(pixels(first.next()), pixels(other.next())) for _ in range(8))


def test_sizes_and_formats_are_mixed_and_declared_as_they_are():
    supply = Pictures(0, "classification", SIDES)
    met = set()
    for _ in range(60):
        picture = supply.next()
        with Image.open(io.BytesIO(picture.data)) as image:
            image.load()
            assert picture.media_type == Image.MIME[image.format]
            met.add((image.format, image.size))
    assert met == {(kind, (side, side)) for kind in ("JPEG", "PNG") for side in SIDES}


@pytest.mark.parametrize(("task", "coloured"), [("classification", False), ("segmentation", True)])
def test_segmentation_gets_stained_tissue(task, coloured):
    red, green, blue = pixels(Pictures(0, task, [240]).next()).mean(axis=(0, 1))
    assert bool(green < min(red, blue) - 20) is coloured
