"""4-connected components of binary masks, kept as runs: maximal stretches of True along a row."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Components:
    """The components of a mask of (h, w). Pixel (y, x) has the index y (w + 1) + x, so runs never meet across rows.

    Attributes:
        shape: (h, w).
        starts: (R,) index of each run's first pixel, ascending.
        stops: (R,) index after each run's last pixel.
        of_run: (R,) each run's component, 0 to count - 1, in reading order of their first runs.
        count: how many components there are.
    """

    shape: tuple[int, int]
    starts: Indices
    stops: Indices
    of_run: Indices
    count: int

    def sizes(self) -> Indices:
        """(count,) pixels of each component."""
        return np.bincount(self.of_run, self.stops - self.starts, self.count).astype(np.int64)

    def at_border(self) -> Mask:
        """(count,) whether each component touches the edge of the mask."""
        height, width = self.shape
        row, column = np.divmod(self.starts, width + 1)
        touches = (row == 0) | (row == height - 1) | (column == 0) | (self.stops - row * (width + 1) == width)
        found = np.zeros(self.count, np.bool_)
        found[self.of_run[touches]] = True
        return found

    def at(self, rows: Indices, columns: Indices) -> Indices:
        """The component of each pixel given; every one of them must be True in the mask."""
        index = rows * (self.shape[1] + 1) + columns
        found: Indices = self.of_run[np.searchsorted(self.starts, index, side="right") - 1]
        return found

    def mask(self, kept: Mask) -> Mask:
        """(h, w) the pixels of the components that `kept`, (count,), is True for."""
        height, width = self.shape
        chosen = kept[self.of_run]
        steps = np.zeros(height * (width + 1) + 1, np.int8)
        steps[self.starts[chosen]] = 1
        steps[self.stops[chosen]] -= 1
        inside = np.cumsum(steps[:-1], dtype=np.int8).astype(np.bool_)
        return inside.reshape(height, width + 1)[:, :width]


def components(mask: Mask) -> Components:
    """Find the 4-connected components of a (h, w) mask."""
    height, width = mask.shape
    apart = np.zeros((height, width + 1), np.int8)
    apart[:, :width] = mask
    changes = np.diff(apart.ravel(), prepend=np.int8(0))
    starts, stops = np.flatnonzero(changes == 1), np.flatnonzero(changes == -1)
    # Per run, the runs of the next row that lie below it are the slice first:last of all runs.
    first = np.searchsorted(stops, starts + width + 1, side="right")
    last = np.searchsorted(starts, stops + width + 1, side="left")
    below = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(starts)), below)
    lower = np.arange(below.sum()) + np.repeat(first - (np.cumsum(below) - below), below)
    roots, of_run = np.unique(_roots(len(starts), upper, lower), return_inverse=True)
    return Components((height, width), starts, stops, of_run, len(roots))


def _roots(count: int, left: Indices, right: Indices) -> Indices:
    """The smallest node that each of `count` nodes is joined to, by hooking and pointer jumping."""
    parent = np.arange(count)
    while (apart := parent[left] != parent[right]).any():
        left, right = left[apart], right[apart]
        ends = parent[left], parent[right]
        np.minimum.at(parent, np.maximum(*ends), np.minimum(*ends))
        while (jumped := parent[parent]).tobytes() != parent.tobytes():
            parent = jumped
    return parent


def without_small(mask: Mask, max_size: int) -> Mask:
    """Take out the components of at most `max_size` pixels."""
    found = components(mask)
    return found.mask(found.sizes() > max_size)
