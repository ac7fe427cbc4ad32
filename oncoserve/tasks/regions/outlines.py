"""Outlines of regions along pixel edges: exact areas, holes kept, always valid geometry."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from oncoserve.tasks.regions.components import Indices, Mask, components

Ring = NDArray[np.int64]
"""(K, 2) x and y of each corner in pixels, not closed. Going along it, the inside is to the right; y points down."""

_EAST, _SOUTH, _WEST, _NORTH = range(4)


@dataclass(frozen=True)
class Polygon:
    """A 4-connected region of a mask, in pixels of the mask.

    Attributes:
        outline: its outer ring.
        holes: its inner rings; rings meet in single points at most.
    """

    outline: Ring
    holes: tuple[Ring, ...]


def polygons(mask: Mask) -> Iterator[Polygon]:
    """Trace the regions of a (h, w) mask, in reading order of their first pixels.

    Diagonal neighbours are apart. A ring that meets itself in a point is cut there in two, so every region comes out
    as valid geometry: the inside is connected and no ring crosses or touches itself.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return
    corner = np.array([columns[0], rows[0]])  # most regions are a small part of a picture, and only that is looked at
    mask = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    regions = components(mask)
    width = mask.shape[1] + 1
    vertices, after = _corners(mask)
    rings = [ring for loop in _loops(after.tolist(), vertices.tolist()) for ring in _simple(loop)]
    lengths = np.array([len(ring) for ring in rings])
    y, x = np.divmod(np.concatenate(rings), width)
    stops = np.cumsum(lengths)
    firsts = stops - lengths
    following = np.arange(1, len(x) + 1)
    following[stops - 1] = firsts
    is_hole = np.add.reduceat(x * y[following] - x[following] * y, firsts) < 0
    # The pixel inside the region at a ring's upper left corner lies below an outline, and above a hole.
    upper, left = np.divmod(np.minimum.reduceat(y * width + x, firsts), width)
    owner = regions.at(upper - is_hole, left)
    points = np.split(np.stack([x, y], axis=1) + corner, stops[:-1])
    order = np.lexsort((is_hole, owner)).tolist()
    bounds = [*np.flatnonzero(~is_hole[order]).tolist(), len(order)]
    for begin, end in pairwise(bounds):
        outline, *holes = (points[index] for index in order[begin:end])
        yield Polygon(outline, tuple(holes))


def _corners(mask: Mask) -> tuple[Indices, Indices]:
    """Where outlines turn: (C,) the vertex of each turn, y (w + 1) + x, and (C,) the turn that comes after it."""
    height, width = mask.shape
    padded = np.pad(mask, 1)
    nw, ne, sw, se = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    turns = (  # coming, going, where
        (_EAST, _SOUTH, sw & ~nw & ~se),
        (_SOUTH, _WEST, nw & ~ne & ~sw),
        (_NORTH, _EAST, se & ~ne & ~sw),
        (_WEST, _NORTH, ne & ~nw & ~se),
        (_WEST, _SOUTH, nw & ne & sw & ~se),
        (_EAST, _NORTH, ne & sw & se & ~nw),
        (_SOUTH, _EAST, nw & sw & se & ~ne),
        (_NORTH, _WEST, nw & ne & se & ~sw),
    )
    found = [np.flatnonzero(where) for _, _, where in turns]
    vertices = np.concatenate(found)
    coming, going = np.repeat(np.array([turn[:2] for turn in turns], np.int8), [len(each) for each in found], axis=0).T
    # Along one line of the grid, stretches of one direction never meet: sorted, the n-th start has the n-th end.
    y, x = np.divmod(vertices, width + 1)
    after = np.empty(len(vertices), np.int64)
    for direction in (_EAST, _SOUTH, _WEST, _NORTH):
        along = vertices if direction in {_EAST, _WEST} else x * (height + 1) + y
        starts, ends = np.flatnonzero(going == direction), np.flatnonzero(coming == direction)
        after[starts[np.argsort(along[starts])]] = ends[np.argsort(along[ends])]
    return vertices, after


def _loops(after: list[int], vertices: list[int]) -> Iterator[list[int]]:
    """Follow the turns round and round; the vertices of each loop."""
    seen = bytearray(len(after))
    for first in range(len(after)):
        loop = []
        turn = first
        while not seen[turn]:
            seen[turn] = True
            loop.append(vertices[turn])
            turn = after[turn]
        if loop:
            yield loop


def _simple(loop: list[int]) -> Iterator[list[int]]:
    """Cut a loop at the vertices that it passes twice."""
    way: list[int] = []
    place: dict[int, int] = {}
    for vertex in loop:
        if vertex in place:
            start = place[vertex]
            yield way[start:]
            for passed in way[start + 1 :]:
                del place[passed]
            del way[start + 1 :]
        else:
            place[vertex] = len(way)
            way.append(vertex)
    yield way
