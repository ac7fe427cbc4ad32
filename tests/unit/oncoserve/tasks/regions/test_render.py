import io

import numpy as np
from PIL import Image

from oncoserve.tasks.regions.render import layer_image, mask_image, overlay_image

COLOURS = {1: (255, 200, 0), 2: (0, 80, 255)}
LABELS = np.array([[0, 1], [2, 3]], np.uint8)


def test_the_mask_png_keeps_its_values_and_shows_colours():
    buffer = io.BytesIO()
    mask_image(LABELS, (8, 6), COLOURS).save(buffer, "PNG")
    image = Image.open(buffer)
    assert (image.mode, image.size) == ("P", (6, 8))
    assert np.array_equal(np.asarray(image), LABELS.repeat(4, axis=0).repeat(3, axis=1))
    assert image.convert("RGB").getpixel((5, 0)) == COLOURS[1]


def test_the_overlay_blends_colours_and_leaves_the_rest():
    pixels = np.full((4, 4, 3), 100, np.uint8)
    image = overlay_image(LABELS, pixels, COLOURS, 0.5)
    assert image.getpixel((3, 0)) == (177, 150, 50)
    assert image.getpixel((0, 3)) == (50, 90, 177)
    assert image.getpixel((0, 0)) == image.getpixel((3, 3)) == (100, 100, 100)


def test_opacity_goes_from_nothing_to_all():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    assert np.array_equal(np.asarray(overlay_image(LABELS, pixels, COLOURS, 0)), pixels)
    assert overlay_image(LABELS, pixels, COLOURS, 1).getpixel((3, 0)) == COLOURS[1]


def test_the_layer_alone_is_clear_where_nothing_was_found():
    layer = layer_image(LABELS, (4, 4), COLOURS, 0.4)
    assert layer.mode == "RGBA"
    assert layer.getpixel((3, 0)) == (*COLOURS[1], 102)
    assert layer.getpixel((0, 0))[3] == layer.getpixel((3, 3))[3] == 0
