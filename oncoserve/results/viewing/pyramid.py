"""A decoded picture in all its levels, or a layer that lies over one, ready to be cut into tiles."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oncoserve.results.viewing.levels import TILE, Levels

Pixels = NDArray[np.uint8]

_BAND_ROWS = 512  # reduced at a time, because Pillow holds a copy of what it is given


class Pyramid:
    """Pixels on a grid of their own, and the tiles of the ORIGINAL's grid that show them.

    A layer may be coarser than the picture: each pixel of a tile takes the value that its centre lies in, so layer and
    picture are in register at every level. Averages are made once, by `fill`; `tile` only copies.

    Args:
        memory: what `fill` filled, `size_of(shape)` bytes.
        shape: of the pixels: (h, w) or (h, w, channels).
        levels: of the ORIGINAL.
    """

    def __init__(self, memory: Pixels, shape: Sequence[int], levels: Levels) -> None:
        self._levels = levels
        self._reduced = [*_grids(memory, shape)]

    def tile(self, level: int, box: tuple[int, int, int, int]) -> Image.Image:
        """Cut a tile.

        Args:
            level: one of the `Levels`.
            box: left, top, right and bottom in that level, pixels.
        """
        left, top, right, bottom = box
        halvings = self._levels.last - level
        height, width = self._reduced[0].shape[:2]
        # The coarsest of our own grids that is still as fine as the tile's, along both axes.
        finer = min((height << halvings) // self._levels.height, (width << halvings) // self._levels.width)
        own = min(max(finer.bit_length() - 1, 0), len(self._reduced) - 1)
        source = self._reduced[own]
        rows = _nearest(top, bottom, halvings, own, height, self._levels.height).clip(max=source.shape[0] - 1)
        columns = _nearest(left, right, halvings, own, width, self._levels.width).clip(max=source.shape[1] - 1)
        part = source[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return Image.fromarray(part[rows - rows[0]][:, columns - columns[0]])


def size_of(shape: Sequence[int]) -> int:
    """Bytes of all levels of pixels of that shape."""
    return sum(prod(each) for each in _shapes(shape))


def fill(memory: Pixels, pixels: Pixels, *, averaged: bool = True) -> None:
    """Write pixels and their smaller levels.

    Args:
        memory: gets them, `size_of(pixels.shape)` bytes.
        pixels: (h, w) or (h, w, channels) uint8.
        averaged: whether a smaller level has the means of a larger one; else it has every second pixel, for channels
            that are no brightness.
    """
    grids = [*_grids(memory, pixels.shape)]
    grids[0][...] = pixels
    for finer, half in pairwise(grids):
        if averaged:
            _halve(finer, half)
        else:
            half[...] = finer[::2, ::2]


def _shapes(shape: Sequence[int]) -> Iterator[tuple[int, ...]]:
    height, width, *channels = shape
    yield height, width, *channels
    while max(height, width) > TILE:
        height, width = (height + 1) // 2, (width + 1) // 2
        yield height, width, *channels


def _grids(memory: Pixels, shape: Sequence[int]) -> Iterator[Pixels]:
    at = 0
    for each in _shapes(shape):
        yield memory[at : at + prod(each)].reshape(each)
        at += prod(each)


def _nearest(first: int, last: int, halvings: int, own: int, source: int, target: int) -> NDArray[np.int64]:
    """For pixels first to last of a side of `target`, halved so often, those of `source`, halved `own` times."""
    centres = (2 * np.arange(first, last) + 1) << halvings
    return centres * source // (2 * target << own)


def _halve(pixels: Pixels, half: Pixels) -> None:
    """Half the size, rounded up; the average of each two by two pixels."""
    for top in range(0, pixels.shape[0], _BAND_ROWS):
        band = Image.fromarray(pixels[top : top + _BAND_ROWS])
        half[top // 2 : (top + _BAND_ROWS) // 2] = np.asarray(band.reduce(2))
