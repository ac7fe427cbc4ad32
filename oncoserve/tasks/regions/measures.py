"""What is measured of a region: its area, its box and how far it reaches."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

Closed = list[list[int]]
"""x and y of each corner of a ring, the first of them again at the end."""


def area(rings: Sequence[Closed]) -> int:
    """Pixels of a polygon, by Green's theorem.

    Args:
        rings: the outer one, whose inside is to the right, y pointing down, and those of its holes the other way round.
    """
    return sum(x * (below - y) for ring in rings for (x, y), (_, below) in pairwise(ring))


def box(ring: Closed) -> tuple[int, int, int, int]:
    """(left, top, width, height) of a ring, in its pixels."""
    xs, ys = [x for x, _ in ring], [y for _, y in ring]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def longest_diameter(ring: Closed) -> float:
    """The largest distance of two corners of a ring, in its pixels."""
    corners = np.array(_hull(ring), np.float64)
    apart = corners[:, np.newaxis] - corners
    return float(np.sqrt((apart**2).sum(axis=2).max()))


def _hull(ring: Closed) -> list[list[int]]:
    """The corners of the convex hull: the farthest two are among them. Andrew's monotone chain."""
    points = sorted(ring)
    hull: list[list[int]] = []
    for way in (points, points[::-1]):
        half: list[list[int]] = []
        for point in way:
            while len(half) > 1 and _turn(half[-2], half[-1], point) <= 0:
                half.pop()
            half.append(point)
        hull += half
    return hull


def _turn(first: list[int], second: list[int], third: list[int]) -> int:
    """Above 0 where the way over three points turns to the left, 0 where it goes straight on."""
    return (second[0] - first[0]) * (third[1] - first[1]) - (second[1] - first[1]) * (third[0] - first[0])
