"""From a coarse mask of probabilities to an outline on the picture, and to what is measured of it."""

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oncoserve.pictures.orientation import AS_IT_LIES, Frame
from oncoserve.tasks.regions import measures
from oncoserve.tasks.regions.components import Mask, components
from oncoserve.tasks.regions.geojson import placing
from oncoserve.tasks.regions.measures import Closed
from oncoserve.tasks.regions.outlines import polygons

GRID_SIDE: Final = 512
"""Pixels of the longer side of the grid that outlines follow: a mask has a few dozen cells along a side."""


def cut(mask: NDArray[np.floating[Any]], size: tuple[int, int], least: float) -> Mask:
    """Where the mask, enlarged bilinearly, is at least `least`: (h, w) on the ORIGINAL's pixels, or on a coarser grid.

    Args:
        mask: (h, w), 0 to 1; its cells tile the picture.
        size: width and height of the ORIGINAL, in pixels.
        least: 0 to 1.
    """
    scale = min(1.0, GRID_SIDE / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    found: Mask = np.zeros((height, width), np.bool_)
    cells, enough = mask.astype(np.float32), np.float32(least)
    inside: Mask = cells >= enough  # what has no such cell near it needs no look
    if not inside.any():
        return found
    rows, columns = mask.shape
    left, right = _reach(np.flatnonzero(inside.any(axis=0)), columns / width, width)
    top, bottom = _reach(np.flatnonzero(inside.any(axis=1)), rows / height, height)
    box = left * columns / width, top * rows / height, right * columns / width, bottom * rows / height
    smooth = Image.fromarray(cells).resize((right - left, bottom - top), Image.Resampling.BILINEAR, box)
    found[top:bottom, left:right] = np.asarray(smooth) >= enough
    return found


def _reach(cells: NDArray[np.int64], size: float, count: int) -> tuple[int, int]:
    """The first pixel, and the one after the last, that cells have to do with along an axis.

    Args:
        cells: which of them, ascending.
        size: of a pixel, in cells. The bilinear filter mixes what lies within one cell of a pixel's centre, or within
            one pixel where these are larger.
        count: of the pixels over all cells.
    """
    near = max(1.0, size)
    first = math.floor((cells[0] + 0.5 - near) / size - 0.5)
    last = math.ceil((cells[-1] + 0.5 + near) / size - 0.5)
    return max(0, first), min(count, last + 1)


@dataclass(frozen=True)
class Outline:
    """What was found, upright, in pixels of the ORIGINAL.

    Attributes:
        certainty: of the mask where it is highest, 0 to 1.
        peak: (x, y) of the centre of that cell.
        least: of the mask, from which on a pixel is inside.
        polygons: of each region its outer ring, and the rings of its holes.
        main: the index of the region with the peak, or of the largest where no region holds it.
    """

    certainty: float
    peak: tuple[float, float]
    least: float
    polygons: tuple[tuple[Closed, ...], ...] = ()
    main: int = 0

    @classmethod
    def nothing(cls, mask: NDArray[np.floating[Any]], size: tuple[int, int], least: float) -> "Outline":
        """The peak alone; see `of`."""
        (rows, columns), (width, height) = mask.shape, size
        row, column = divmod(int(mask.argmax()), columns)
        peak = (column + 0.5) / columns * width, (row + 0.5) / rows * height
        return cls(float(mask[row, column]), peak, least)

    @classmethod
    def of(cls, mask: NDArray[np.floating[Any]], size: tuple[int, int], least: float) -> "Outline":
        """Outline what has at least so much of a mask; see `cut`."""
        highest = cls.nothing(mask, size, least)
        inside = cut(mask, size, least)
        place = placing(Frame(AS_IT_LIES, *size), inside.shape)
        found = tuple(tuple(place(ring) for ring in (each.outline, *each.holes)) for each in polygons(inside))
        if not found:
            return highest
        (x, y), (width, height) = highest.peak, size
        row, column = int(y / height * inside.shape[0]), int(x / width * inside.shape[1])
        if len(found) == 1:
            main = 0
        elif inside[row, column]:
            main = int(components(inside).at(np.array([row]), np.array([column]))[0])
        else:
            main = int(np.argmax([measures.area(each) for each in found]))
        return replace(highest, polygons=found, main=main)

    def document(self, mm_per_px: float | None) -> dict[str, Any]:
        """For the result.

        Args:
            mm_per_px: millimetres per pixel of the ORIGINAL, where they are known.
        """
        x, y = self.peak
        area_px = sum(map(measures.area, self.polygons))
        box = longest_px = None
        if self.polygons:
            left, top, width, height = measures.box(self.polygons[self.main][0])
            box = {"x": float(left), "y": float(top), "width": float(width), "height": float(height)}
            longest_px = measures.longest_diameter(self.polygons[self.main][0])
        longest_mm = None if mm_per_px is None or longest_px is None else round(longest_px * mm_per_px, 2)
        return {
            "certainty": round(self.certainty, 4),
            "peak": {"x": round(x, 2), "y": round(y, 2)},
            "box": box,
            "area_px": area_px,
            "area_mm2": None if mm_per_px is None else round(area_px * mm_per_px**2, 2),
            "longest_diameter_px": longest_px and round(longest_px, 2),
            "longest_diameter_mm": longest_mm,
            "least_mask": self.least,
            "outline": [list(each) for each in self.polygons],
        }
