"""Resizing as the model's card pins it: Pillow's area-aware filters, by SIMD instructions where these give the same."""

import numpy as np
from cykooz_resizer import FilterType, ResizeAlg, ResizeOptions, Resizer
from numpy.typing import NDArray
from PIL import Image

# Pillow's bicubic filter has a = -0.5, which makes it Catmull and Rom's.
BICUBIC = ResizeOptions(resize_alg=ResizeAlg.convolution(FilterType.catmull_rom), use_alpha=False)
Box = tuple[float, float, float, float]


def resize(image: Image.Image, width: int, height: int, filter_name: str, seen: Box | None = None) -> NDArray[np.uint8]:
    """Resize an RGB picture, or a part of it, with Pillow's filter of that name.

    Bicubic goes through SIMD instructions, in a tenth of Pillow's time, where both sides shrink or stay: on photographs
    within one level of 255 of Pillow's own result and equal in 999 of 1000 values. Enlarged pictures differ more, so
    they stay with Pillow; docs/decisions/0008-the-hot-path.md has the figures.

    Args:
        image: mode RGB.
        width: pixels of the result.
        height: pixels of the result.
        filter_name: a name of `PIL.Image.Resampling` in lower case.
        seen: left, top, right, bottom of the part, pixels. What the filter wants of the picture beside it, it gets: the
            same as resizing the whole picture and cutting the part out, which pictures of great length do not allow.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    if seen is not None and seen != (0, 0, *image.size):
        return np.asarray(image.resize((width, height), Image.Resampling[filter_name.upper()], box=seen))
    if image.size == (width, height):
        return np.asarray(image)
    if filter_name == "bicubic" and width <= image.width and height <= image.height:
        return np.asarray(_shrink(image, width, height))
    return np.asarray(image.resize((width, height), Image.Resampling[filter_name.upper()]))


def _shrink(image: Image.Image, width: int, height: int) -> Image.Image:
    # One side at a time and in Pillow's order, since values are rounded and clipped to 0-255 in between: the other
    # order, which the library takes when left alone, differs by up to 30 levels at hard edges. Pillow starts with the
    # columns, and from version 13 on with the rows where the height loses more than twice what the width loses.
    sizes = [(width, image.height), (width, height)]
    if image.height - height > 2 * (image.width - width):
        sizes[0] = (image.width, height)
    resizer = Resizer()
    for size in sizes:
        if image.size != size:
            smaller = Image.new("RGB", size, None)  # not filled: every pixel is written
            resizer.resize_pil(image, smaller, BICUBIC)
            image = smaller
    return image
