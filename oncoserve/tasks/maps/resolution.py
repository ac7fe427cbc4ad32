"""Micrometres per pixel: what a file says, what a model wants, and the picture at the model's resolution."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oncoserve.errors import InvalidParameter
from oncoserve.pictures.rgb import Warn
from oncoserve.tasks.card import Segmentation

TAGGED_RANGE: Final = (0.1, 4.0)
"""What a light microscope's picture can have, micrometres per pixel; no other file's word is taken."""

COARSEST: Final = 1.25
"""From so many times the model's micrometres per pixel on, its detail is not in the picture."""

RESOLUTION_ASSUMED: Final = "resolution_assumed"
"""Code of the warning that nobody said the resolution."""

_UM_PER_INCH: Final = 25400.0
_BAND_ROWS: Final = 128  # rows of the model grid resampled at a time
_SUPPORT: Final = {"box": 0.5, "bilinear": 1, "bicubic": 2, "lanczos": 3}  # pixels of the coarser grid


def tagged_um_per_px(info: Mapping[str, Any]) -> float | None:
    """The pixel size that a file states about itself, when it can be a microscope's.

    Screen and print defaults (72 to 600 dpi) are 40 micrometres and more per pixel, so they never pass.

    Args:
        info: Pillow's `Image.info`; `dpi` holds pixels per inch along x and y, from JFIF, EXIF or pHYs.

    Returns:
        Micrometres per ORIGINAL pixel, or None.
    """
    try:
        x, y = (_UM_PER_INCH / float(dpi) for dpi in info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    low, high = TAGGED_RANGE
    square = math.isclose(x, y, rel_tol=0.01)
    return (x + y) / 2 if square and low <= x <= high else None


def choose_um_per_px(
    part: Segmentation, given: float | None, tagged: float | None
) -> tuple[float | None, tuple[Warn, ...]]:
    """The pixel size to work with, and what is doubtful about it.

    Args:
        part: what the model wants.
        given: by the caller, micrometres per ORIGINAL pixel.
        tagged: by the file.

    Returns:
        Micrometres per ORIGINAL pixel; None where nobody says it and the model does not need it.

    Raises:
        InvalidParameter: what is given is outside of what the model is for.
    """
    if given is not None and part.um_per_px_range is not None:
        low, high = part.um_per_px_range
        if not low <= given <= high:
            raise InvalidParameter(
                f"Parameter 'um_per_px' is {given:g}; for this model it is from {low:g} to {high:g} micrometres."
            )
    wanted = part.um_per_px
    if wanted is None:
        return given or tagged, ()
    um_per_px = given or tagged or part.assumed_um_per_px or wanted
    warnings = []
    if given is None and tagged is None:
        message = (
            f"The picture does not say its resolution; {um_per_px:.12g} micrometres per pixel were assumed. "
            "If that is wrong, so are labels and areas: give um_per_px."
        )
        warnings.append(Warn(RESOLUTION_ASSUMED, message))
    if um_per_px > COARSEST * wanted:
        message = (
            f"At {um_per_px:.3g} micrometres per pixel the picture is coarser than the {wanted:.3g} "
            "that the model was trained at, and lacks detail that it needs."
        )
        warnings.append(Warn("resolution_far", message))
    return um_per_px, tuple(warnings)


def model_shape(shape: tuple[int, int], um_per_px: float | None, wanted: float | None) -> tuple[int, int]:
    """Rows and columns of the model grid for an ORIGINAL of `shape`; at least one of each.

    Args:
        shape: (H, W) of the ORIGINAL.
        um_per_px: micrometres per pixel of the ORIGINAL.
        wanted: those of the model; None where it takes pictures as they are.
    """
    if wanted is None or um_per_px is None:
        return shape
    scale = um_per_px / wanted
    return max(1, int(shape[0] * scale + 0.5)), max(1, int(shape[1] * scale + 0.5))


def resample(pixels: NDArray[np.uint8], shape: tuple[int, int], filter_name: str = "lanczos") -> NDArray[np.uint8]:
    """Bring a picture to the model grid with a filter that is widened to the area of a model pixel when it shrinks.

    Works in bands of rows, because Pillow holds four bytes a pixel of what it is given: a band gives what the whole
    picture would give.

    Args:
        pixels: (H, W, 3) uint8 RGB, ORIGINAL.
        shape: (h, w) of the model grid.
        filter_name: a name of `PIL.Image.Resampling` in lower case.

    Returns:
        (h, w, 3) uint8 RGB on the model grid.
    """
    height, width = pixels.shape[:2]
    rows, columns = shape
    if (rows, columns) == (height, width):
        return pixels
    resampled = np.empty((rows, columns, 3), np.uint8)
    step, how = height / rows, Image.Resampling[filter_name.upper()]
    margin = math.ceil(_SUPPORT[filter_name] * max(step, 1)) + 1
    for first in range(0, rows, _BAND_ROWS):
        last = min(first + _BAND_ROWS, rows)
        top = max(0, math.floor(first * step) - margin)
        bottom = min(height, math.ceil(last * step) + margin)
        box = (0, first * step - top, width, min(last * step, height) - top)
        band = Image.fromarray(pixels[top:bottom])
        resampled[first:last] = np.asarray(band.resize((columns, last - first), how, box))
    return resampled
