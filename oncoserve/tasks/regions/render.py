"""Labels as pictures."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oncoserve.pictures.bands import bands
from oncoserve.tasks.regions.grids import at_original

Colour = tuple[int, int, int]


def mask_image(labels: NDArray[np.uint8], shape: tuple[int, int], colours: Mapping[int, Colour]) -> Image.Image:
    """The mask as a palette image of `shape`, (H, W): pixel values are labels, the palette shows `colours`."""
    image = Image.fromarray(at_original(labels, shape))
    palette = np.zeros((max(colours) + 1, 3), np.uint8)
    for value, colour in colours.items():
        palette[value] = colour
    image.putpalette(palette.tobytes())
    return image


def overlay_image(
    labels: NDArray[np.uint8], pixels: NDArray[np.uint8], colours: Mapping[int, Colour], opacity: float
) -> Image.Image:
    """The picture with its labels in colour over it.

    Args:
        labels: (h, w) uint8 on the model grid.
        pixels: (H, W, 3) uint8 RGB, ORIGINAL.
        colours: by label; labels that are not in it stay clear.
        opacity: 0 to 1.

    Returns:
        RGB, of the ORIGINAL's size.
    """
    shape = pixels.shape[0], pixels.shape[1]
    mask, shown = mask_image(labels, shape, colours), _shown(labels, shape, colours, 1)
    drawn = Image.new("RGB", mask.size, None)  # not filled: every pixel is written
    for top, bottom in bands(shape[0]):
        box = (0, top, shape[1], bottom)
        base = Image.fromarray(pixels[top:bottom])
        coloured = Image.blend(base, mask.crop(box).convert("RGB"), opacity)
        drawn.paste(Image.composite(coloured, base, shown.crop(box)), (0, top))
    return drawn


def layer_image(
    labels: NDArray[np.uint8], shape: tuple[int, int], colours: Mapping[int, Colour], opacity: float
) -> Image.Image:
    """The coloured labels alone, RGBA of `shape`, for a viewer that has the picture."""
    layer = mask_image(labels, shape, colours).convert("RGB")
    layer.putalpha(_shown(labels, shape, colours, opacity))
    return layer


def _shown(
    labels: NDArray[np.uint8], shape: tuple[int, int], colours: Mapping[int, Colour], opacity: float
) -> Image.Image:
    """Alpha of the coloured labels, 8-bit grey."""
    alpha = np.zeros(256, np.uint8)
    alpha[list(colours)] = round(255 * opacity)
    return Image.fromarray(at_original(alpha[labels], shape))
