"""The numbers of a grey frame, kept as a picture of 16 bits, so that a viewer can give them another window."""

import io
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HIGHEST: Final = 2**16 - 1
NEARLY_ALL: Final = (1.0, 99.0)  # percentiles
FURTHEST: Final = 1e300  # the distance of two numbers is still one
COMPRESSION: Final = 1  # of zlib's nine: somebody waits


@dataclass(frozen=True)
class GreyValues:
    """How a number of the picture becomes one of the modality's: `low + step * number`.

    Attributes:
        low, step: in the modality's units.
        steps: the largest number of the picture.
        dark, bright: between them are all but a hundredth of the values on either side, in the modality's units.
        inverted: whether small numbers are bright.
    """

    low: float
    step: float
    steps: int
    dark: float
    bright: float
    inverted: bool


def kept(values: NDArray[Any], *, inverted: bool) -> tuple[bytes, GreyValues]:
    """A PNG of the numbers, and how it is read.

    Args:
        values: (rows, columns), in the modality's units. What is no number counts as the smallest, what lies beyond
            `FURTHEST` as that.
        inverted: see `GreyValues`.
    """
    there = np.isfinite(values)
    if values.dtype.kind == "f":
        values = np.clip(values, -FURTHEST, FURTHEST)
    seen = values[there] if there.any() else np.zeros(1)
    low, high = float(seen.min()), float(seen.max())
    dark, bright = np.percentile(seen, NEARLY_ALL).tolist()
    whole = high - low <= HIGHEST and bool((values == np.rint(values)).all())
    step = 1.0 if whole else (high - low) / HIGHEST or 1.0  # numbers may be so close that it is no number
    numbers = np.rint((np.where(there, values, low) - low) / step).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(numbers).save(buffer, "PNG", compress_level=COMPRESSION)
    return buffer.getvalue(), GreyValues(low, step, int(numbers.max(initial=0)), dark, bright, inverted)


def read(data: bytes) -> NDArray[np.uint8]:
    """The numbers again: (rows, columns, 3) uint8, their higher byte, their lower one, and 0: browsers read no more."""
    with Image.open(io.BytesIO(data)) as image:
        numbers = np.asarray(image).astype(np.uint16)
    return np.dstack([numbers >> 8, numbers & 0xFF, np.zeros_like(numbers)]).astype(np.uint8)
