"""How large a pixel is, in millimetres: as the caller says it, or as the file does."""

import math
from typing import Final

from oncoserve.errors import InvalidParameter
from oncoserve.pictures.rgb import Warn

SAME: Final = 0.01
"""By so much, as a share, may two statements differ."""

Bounds = tuple[float, float]


def pixel_size(
    given: float | None, stated: float | None, bounds: Bounds | None
) -> tuple[float | None, tuple[Warn, ...]]:
    """The millimetres per pixel to measure with, None where nobody says it; and what is odd about them.

    Args:
        given: by the caller.
        stated: by the file.
        bounds: of what the model is for.

    Raises:
        InvalidParameter: what is given is out of bounds. What a file says is what its picture is, and is only told.
    """
    if given is not None:
        if bounds and not _within(given, bounds):
            raise InvalidParameter(
                f"Parameter 'mm_per_px' is {given:g}; for this model it is from {bounds[0]:g} to {bounds[1]:g} "
                "millimetres."
            )
        if stated is None or math.isclose(given, stated, rel_tol=SAME):
            return given, ()
        message = f"The file says {stated:g} millimetres per pixel; the {given:g} that were given were used."
        return given, (Warn("spacing_overruled", message),)
    if stated is None or bounds is None or _within(stated, bounds):
        return stated, ()
    message = (
        f"The file says {stated:g} millimetres per pixel; the model is for pictures of {bounds[0]:g} to {bounds[1]:g}."
    )
    return stated, (Warn("out_of_scope", message),)


def _within(size: float, bounds: Bounds) -> bool:
    return bounds[0] <= size <= bounds[1]
