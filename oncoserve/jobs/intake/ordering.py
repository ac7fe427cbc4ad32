"""The order of a job's images: series one after the other, the slices of each by where they lie."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from oncoserve.pictures.dicom.standing import Standing, Vector

PARALLEL: Final = 0.99
"""Cosine between two normals, above which slices are of one stack: 8 degrees."""
SAME_DIGITS: Final = 3  # of positions in millimetres

Key = tuple[int | float, ...]


def order_of(standings: "Sequence[Standing | None]") -> list[int]:
    """The places, from 0 on, in the order that the images get.

    Series come as the first file of each came, and what is of no series stays where it came. In a series stacks that
    are not parallel come one after the other; in a stack it is the position along the normal that counts, not names or
    numbers. Slices at one position, or that say none, are in the order of their frames, of the instances' numbers, and
    as they came.

    Args:
        standings: of the images as they came; None for what is no slice.
    """
    firsts: dict[str, int] = {}
    stacks: dict[str, list[Vector]] = {}

    def key(came: int) -> Key:
        standing = standings[came]
        if standing is None or not standing.series:
            return (came,)
        first = firsts.setdefault(standing.series, came)
        lies = _lies(standing, stacks.setdefault(standing.series, []))
        number = np.inf if standing.number is None else standing.number
        return (first, *lies, standing.frame, number, came)

    return sorted(range(len(standings)), key=[key(came) for came in range(len(standings))].__getitem__)


def _lies(standing: "Standing", stacks: "list[Vector]") -> Key:
    """The number of a slice's stack, and its position along the normal of that stack's first slice."""
    if standing.normal is None or standing.corner is None:
        return (np.inf, 0)
    along = [abs(float(np.dot(each, standing.normal))) >= PARALLEL for each in stacks]
    if True not in along:
        stacks.append(standing.normal)
        along.append(True)
    stack = along.index(True)
    return (stack, round(float(np.dot(stacks[stack], standing.corner)), SAME_DIGITS))
