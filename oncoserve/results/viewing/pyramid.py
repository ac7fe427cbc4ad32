"""A decoded picture in all its levels, or a layer that lies over one, ready to be cut into tiles."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oncoserve.results.viewing.levels import TILE, Levels

Pixels = NDArray[np.uint8]

_BAND_ROWS = 512  # reduced at a time, because Pillow holds a copy of what it is given


class Pyramid:
    """Pixels on a grid of their own, and the tiles of the ORIGINAL's grid that show them.

    A layer may be coarser than the picture: each pixel of a tile takes the value that its centre lies in, so layer and
    picture are in register at every level. Averages are made once, here; `tile` only copies.

    Args:
        pixels: (h, w) or (h, w, channels) uint8.
        levels: of the ORIGINAL.
        averaged: whether a smaller level has the means of a larger one; else it has every second pixel, for channels
            that are no brightness.
    """

    def __init__(self, pixels: Pixels, levels: Levels, *, averaged: bool = True) -> None:
        self._levels = levels
        self._reduced = [pixels]
        while max(self._reduced[-1].shape[:2]) > TILE:
            finer = self._reduced[-1]
            self._reduced.append(_halved(finer) if averaged else np.ascontiguousarray(finer[::2, ::2]))

    @property
    def nbytes(self) -> int:
        """What it holds in memory, bytes."""
        return sum(each.nbytes for each in self._reduced)

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


def _nearest(first: int, last: int, halvings: int, own: int, source: int, target: int) -> NDArray[np.int64]:
    """For pixels first to last of a side of `target`, halved so often, those of `source`, halved `own` times."""
    centres = (2 * np.arange(first, last) + 1) << halvings
    return centres * source // (2 * target << own)


def _halved(pixels: Pixels) -> Pixels:
    """Half the size, rounded up; the average of each two by two pixels."""
    height, width = pixels.shape[:2]
    half = np.empty(((height + 1) // 2, (width + 1) // 2, *pixels.shape[2:]), np.uint8)
    for top in range(0, height, _BAND_ROWS):
        band = Image.fromarray(pixels[top : top + _BAND_ROWS])
        half[top // 2 : (top + _BAND_ROWS) // 2] = np.asarray(band.reduce(2))
    return half
