"""Pictures to upload: photograph-like JPEGs with seeded pixels or MRI slices, and never the same file twice.

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

from testbed.picture_files.raw_jpeg import segment
from testbed.servers import PROJECT

SIDE = 512
BASE_PICTURES = 64
QUALITY = 85
SLICES = PROJECT / "build/samples/brain_mri"
_SOI, _COM = b"\xff\xd8", 0xFE
_SERIES_BYTES, _NUMBER_BYTES = 8, 8


def photograph(seed: int, side: int = SIDE) -> NDArray[np.uint8]:
    """Colour noise whose amplitude falls with its frequency, as in photographs; (side, side, 3) uint8 RGB."""
    random = np.random.default_rng(seed)
    pixels = np.full((side, side, 3), random.uniform(60, 190, 3), np.float32)
    for cells in (2, 8, 32, 128, 512):
        noise = random.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        layer = Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)
        pixels += (np.asarray(layer, dtype=np.float32) - 127.5) * (1.5 / math.sqrt(cells))
    return pixels.clip(0, 255).astype(np.uint8)


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) uint8 RGB as a baseline JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


@functools.cache
def base_pictures(count: int = BASE_PICTURES, side: int = SIDE) -> tuple[bytes, ...]:
    """Encoded photographs, each of other pixels; the same at every call."""
    return tuple(encode(photograph(seed, side)) for seed in range(count))


def mri_slices() -> tuple[bytes, ...]:
    """The slices that came with `brain_mri`, as they are: 12 to 68 kB, 227 to 674 pixels a side.

    Raises:
        FileNotFoundError: There are none.
    """
    files = sorted(SLICES.glob("*/*.jpg"))
    if not files:
        raise FileNotFoundError(f"no MRI slices in {SLICES}: `make models` fetches them")
    return tuple(path.read_bytes() for path in files)


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
        return _SOI + segment(_COM, comment), next(self._rests)
