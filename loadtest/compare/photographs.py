"""Pictures to upload: photograph-like JPEGs with seeded pixels, and never the same file twice.

A service that keeps its answers would reply to a repeated file from its store. So each upload of a base picture carries
a comment segment (COM, ITU-T T.81 B.2.4.5) with a random series and a number: other bytes, same pixels, same cost.
"""

import functools
import io
import itertools
import math
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from loadtest.shared.distinct_uploads import ellipse

SIDE = 512
BASE_PICTURES = 64
QUALITY = 85
_SOI, _COM = b"\xff\xd8", b"\xff\xfe"
_SERIES_BYTES, _NUMBER_BYTES = 8, 8


def photograph(seed: int, width: int = SIDE, height: int = SIDE) -> NDArray[np.uint8]:
    """Colour noise whose amplitude falls with its frequency, as in photographs.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    random = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), random.uniform(60, 190, 3), np.float32)
    for cells in (2, 8, 32, 128, 512):
        noise = random.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        layer = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        pixels += (np.asarray(layer, dtype=np.float32) - 127.5) * (1.5 / math.sqrt(cells))
    return pixels.clip(0, 255).astype(np.uint8)


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """Encode (H, W, 3) uint8 RGB as a baseline JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


@functools.cache
def base_pictures(count: int = BASE_PICTURES, width: int = SIDE, height: int = SIDE) -> tuple[bytes, ...]:
    """Encoded pictures, each of other pixels; the same at every call."""
    return tuple(encode(photograph(seed, width, height)) for seed in range(count))


@functools.cache
def slice_pictures(count: int = BASE_PICTURES, side: int = SIDE) -> tuple[bytes, ...]:
    """The same as slices: grey, in an ellipse on black. The models for slices answer about no photograph."""
    shown = ellipse(side, side)
    greys = (photograph(seed, side, side).mean(axis=2) * shown for seed in range(count))
    return tuple(encode(np.repeat(grey.astype(np.uint8)[..., np.newaxis], 3, axis=2)) for grey in greys)


class Uploads:
    """An endless series of files, made of base pictures in turn.

    Args:
        pictures: JPEG files.
        distinct: Whether no file comes twice; otherwise each is as it is, and comes again with the next turn.
    """

    def __init__(self, pictures: Sequence[bytes], *, distinct: bool = True) -> None:
        self._distinct = distinct
        self._rests = itertools.cycle([picture.removeprefix(_SOI) for picture in pictures])
        self._series = os.urandom(_SERIES_BYTES)
        self._numbers = itertools.count()

    def take(self) -> tuple[bytes, bytes]:
        """The next file in two pieces, so that its bulk need not be copied."""
        if not self._distinct:
            return _SOI, next(self._rests)
        comment = self._series + next(self._numbers).to_bytes(_NUMBER_BYTES, "big")
        length = (2 + len(comment)).to_bytes(2, "big")  # the length counts itself
        return _SOI + _COM + length + comment, next(self._rests)
