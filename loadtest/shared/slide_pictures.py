"""Large pictures of stained tissue: the sample slide of he_tissue, again and again beside itself."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from testbed.encoded_pictures import encoded
from testbed.servers import PROJECT

SLIDE: Final = PROJECT / "build/samples/he_tissue/slide/cmu_small_region.svs"
UM_PER_PX: Final = 0.499
"""Micrometres per pixel of the slide, as its file says."""


def slide_pixels() -> NDArray[np.uint8]:
    """The whole slide, (2967, 2220, 3) uint8 RGB."""
    with Image.open(SLIDE) as slide:
        return np.asarray(slide.convert("RGB"))


def tiled(megapixels: float, kind: str, **options: object) -> bytes:
    """A square of that many megapixels.

    Args:
        megapixels: Millions of pixels.
        kind: The format by Pillow's name, such as "JPEG".
        options: Of Pillow's encoder.
    """
    side = math.isqrt(round(megapixels * 1e6))
    pixels = slide_pixels()
    times = -(-side // pixels.shape[0]), -(-side // pixels.shape[1])
    return encoded(Image.fromarray(np.tile(pixels, (*times, 1))[:side, :side]), kind, **options)


def quick_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode (H, W, 3) uint8 RGB with little compression."""
    return encoded(Image.fromarray(pixels), "PNG", compress_level=1)
