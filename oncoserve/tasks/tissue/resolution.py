"""Micrometres per pixel: what a file says, and the picture at the model's resolution."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oncoserve.pictures.rgb import Warn

MODEL_UM_PER_PX: Final = 2.0
"""What the model was trained at, micrometres per pixel."""
UM_PER_PX_RANGE: Final = (0.1, 4.0)
"""What a light microscope's picture can have, micrometres per pixel."""

DEFAULT_UM_PER_PX: Final = 0.5
"""What is assumed when no resolution is given: the usual 20x scan, micrometres per pixel."""
COARSEST_UM_PER_PX: Final = 2.5
"""From here on the model's detail is not in the picture, micrometres per pixel."""

RESOLUTION_ASSUMED: Final = "resolution_assumed"
"""Code of the warning that nobody said the resolution."""

_UM_PER_INCH: Final = 25400.0
_BAND_ROWS: Final = 128  # rows of the model grid resampled at a time
_SUPPORT: Final = 3  # of Lanczos, pixels of the coarser grid


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
    low, high = UM_PER_PX_RANGE
    square = math.isclose(x, y, rel_tol=0.01)
    return (x + y) / 2 if square and low <= x <= high else None


def choose_um_per_px(given: float | None, tagged: float | None) -> tuple[float, tuple[Warn, ...]]:
    """The pixel size to work with, and what is doubtful about it.

    Args:
        given: by the caller, micrometres per ORIGINAL pixel.
        tagged: by the file.
    """
    um_per_px = given or tagged or DEFAULT_UM_PER_PX
    warnings = []
    if given is None and tagged is None:
        message = (
            f"The picture does not say its resolution; {DEFAULT_UM_PER_PX} micrometres per pixel were assumed. "
            "If that is wrong, so are labels and areas: give um_per_px."
        )
        warnings.append(Warn(RESOLUTION_ASSUMED, message))
    if um_per_px > COARSEST_UM_PER_PX:
        message = (
            f"At {um_per_px:.3g} micrometres per pixel the picture is coarser than the {MODEL_UM_PER_PX:.3g} "
            "that the model was trained at, and lacks detail that it needs."
        )
        warnings.append(Warn("resolution_far", message))
    return um_per_px, tuple(warnings)


def model_shape(shape: tuple[int, int], um_per_px: float) -> tuple[int, int]:
    """Rows and columns of the model grid for an ORIGINAL of `shape`; at least one of each."""
    scale = um_per_px / MODEL_UM_PER_PX
    return max(1, int(shape[0] * scale + 0.5)), max(1, int(shape[1] * scale + 0.5))


def resample(pixels: NDArray[np.uint8], um_per_px: float) -> NDArray[np.uint8]:
    """Bring a picture to the model's resolution with Lanczos-3, widened to the area of a model pixel when it shrinks.

    `lavlab-shell` resizes with the same filter (libvips' default). Works in bands of rows, because Pillow holds
    four bytes a pixel of what it is given: a band gives what the whole picture would give.

    Args:
        pixels: (H, W, 3) uint8 RGB, ORIGINAL.
        um_per_px: micrometres per ORIGINAL pixel.

    Returns:
        (h, w, 3) uint8 RGB on the model grid.
    """
    height, width = pixels.shape[:2]
    rows, columns = model_shape((height, width), um_per_px)
    if (rows, columns) == (height, width):
        return pixels
    resampled = np.empty((rows, columns, 3), np.uint8)
    step = height / rows
    margin = math.ceil(_SUPPORT * max(step, 1)) + 1
    for first in range(0, rows, _BAND_ROWS):
        last = min(first + _BAND_ROWS, rows)
        top = max(0, math.floor(first * step) - margin)
        bottom = min(height, math.ceil(last * step) + margin)
        box = (0, first * step - top, width, min(last * step, height) - top)
        band = Image.fromarray(pixels[top:bottom])
        resampled[first:last] = np.asarray(band.resize((columns, last - first), Image.Resampling.LANCZOS, box))
    return resampled
