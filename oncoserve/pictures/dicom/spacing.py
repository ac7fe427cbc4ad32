"""What a pixel measures, as an instance says it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset

from oncoserve.pictures.rgb import Warn

STATED_BY: Final = ("PixelSpacing", "NominalScannedPixelSpacing", "ImagerPixelSpacing")
"""In the patient first; that at the detector last, which is larger than in the patient by the beam's widening."""
SQUARE: Final = 0.01
"""By so much, as a share, may the two directions differ."""
RANGE_MM: Final = (1e-4, 1000.0)
"""From a microscope's pixels to a mistake."""


@dataclass(frozen=True)
class Spacing:
    """The size of a pixel.

    Attributes:
        mm: millimetres, the same in both directions; None where nobody says it, or where it is no size.
        source: the element that says it; empty where none does.
        warnings: why what is said was not used.
    """

    mm: float | None = None
    source: str = ""
    warnings: tuple[Warn, ...] = ()


def spacing_of(said: Dataset) -> Spacing:
    """The size of a frame's pixels.

    Args:
        said: of the frame: see `Instance.of_frame`.
    """
    source = next((name for name in STATED_BY if said.get(name) not in (None, "")), "")
    if not source:
        return Spacing()
    try:
        rows, columns = _two(said[source].value)
    except (TypeError, ValueError):
        rows = columns = math.nan
    low, high = RANGE_MM
    if not (low <= rows <= high and low <= columns <= high):  # also where one is no number
        message = f"{source} is {rows:g} x {columns:g}, which is no size of a pixel; nothing is given in millimetres."
        return Spacing(source=source, warnings=(Warn("spacing_unusable", message),))
    if not math.isclose(rows, columns, rel_tol=SQUARE):
        message = (
            f"Pixels are {rows:g} mm high and {columns:g} mm wide; lengths are measured on square ones only, so "
            "nothing is given in millimetres."
        )
        return Spacing(source=source, warnings=(Warn("pixels_not_square", message),))
    found = []
    if source == "ImagerPixelSpacing":
        message = "The size of a pixel is that at the detector; what is measured is somewhat smaller in the patient."
        found.append(Warn("spacing_at_detector", message))
    return Spacing((rows + columns) / 2, source, tuple(found))


def _two(value: Sequence[float]) -> tuple[float, float]:
    rows, columns = (float(each) for each in value)
    return rows, columns
