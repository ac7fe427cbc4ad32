"""The numbers of a frame as brightness: modality, window or lookup table, and which end is dark (PS3.3, C.11)."""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi, apply_windowing

from oncoserve.errors import InvalidParameter
from oncoserve.pictures.dicom.faults import reading

ROBUST: Final = (1.0, 99.0)
"""Percentiles that become black and white where nobody says a window."""
BYTE: Final = 255
FURTHEST: Final = 1e300
"""Beyond every window."""


@dataclass(frozen=True)
class Window:
    """What became black and white, in the modality's units.

    Attributes:
        kind: who says it: the caller, the file by a window or a table, or nobody.
        low, high: None for a table.
    """

    kind: Literal["caller", "file", "table", "robust"]
    low: float | None = None
    high: float | None = None


def brightness(stored: NDArray[Any], said: Dataset, wanted: str | None) -> tuple[NDArray[np.uint8], Window | None]:
    """What a screen would show of a frame.

    Args:
        stored: as `frame_pixels.pixels_of` gives it.
        said: of the frame: see `Instance.of_frame`.
        wanted: "CENTRE,WIDTH" in the modality's units, the number of one of the file's windows from 1 on, "auto" for
            the robust one, or None for the first of the file's.

    Returns:
        (rows, columns) or (rows, columns, 3) uint8, and the window; None for colours, which have none.

    Raises:
        InvalidParameter: the file has no such window, or no window at all.
        CorruptImage: what the file says of its numbers is no sense.
    """
    colour = said.PhotometricInterpretation
    with reading("lookup table"):
        if colour == "PALETTE COLOR":
            table = apply_color_lut(stored, said)
            # Some files keep eight bits in entries of sixteen.
            return _top_bits(table, 8 if table.max(initial=0) <= BYTE else 16), None
        if stored.ndim > 2:  # noqa: PLR2004 - colours
            return _top_bits(stored, int(said.BitsStored)), None
        values = apply_modality_lut(stored, said)
    shown, window = _windowed(values, said, wanted)
    return (255 - shown if colour == "MONOCHROME1" else shown), window


def _windowed(values: NDArray[Any], said: Dataset, wanted: str | None) -> tuple[NDArray[np.uint8], Window]:
    windows = _windows(said)
    if wanted is not None and "," in wanted:
        centre, width = map(float, wanted.split(","))
        return _between(values, centre - width / 2, centre + width / 2), Window(
            "caller", centre - width / 2, centre + width / 2
        )
    if wanted is None and said.get("VOILUTSequence"):
        with reading("VOI lookup table"):
            table = apply_voi(values, said)
            return _top_bits(table, int(said.VOILUTSequence[0].LUTDescriptor[2])), Window("table")
    if wanted != "auto" and (windows or wanted is not None):
        number = int(wanted or 1)
        if number > len(windows):
            raise InvalidParameter(f"Parameter 'window' is {number}, and the file has {len(windows)}.")
        with reading("window"):
            low, high = apply_windowing(np.array([-FURTHEST, FURTHEST]), said, number - 1)
            shown = apply_windowing(values, said, number - 1)
        centre, width = windows[number - 1]
        return _between(shown, low, high), Window("file", centre - width / 2, centre + width / 2)
    padding = said.get("PixelPaddingValue")
    seen = values if padding is None else values[values != padding]
    low, high = np.percentile(seen if seen.size else values, ROBUST)
    return _between(values, float(low), float(high)), Window("robust", float(low), float(high))


def _windows(said: Dataset) -> list[tuple[float, float]]:
    """Centre and width of each."""
    pairs = [said.get(name) for name in ("WindowCenter", "WindowWidth")]
    lists = [
        [] if each in (None, "") else [float(one) for one in each] if _several(each) else [float(each)]
        for each in pairs
    ]
    return list(zip(*lists, strict=False))


def _several(value: Any) -> bool:  # noqa: ANN401 - pydicom's
    return hasattr(value, "__iter__") and not isinstance(value, str)


def _between(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """0 at `low` and below, 255 at `high` and above."""
    if not np.isfinite(low) or not np.isfinite(high) or high <= low:
        return np.where(values > low, 255, 0).astype(np.uint8)
    return np.clip(np.rint((values.astype(np.float64) - low) * (255 / (high - low))), 0, 255).astype(np.uint8)


def _top_bits(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """The highest eight of so many bits."""
    if bits <= 8:  # noqa: PLR2004 - a byte
        return np.asarray(values.astype(np.uint16) * 255 // max(1, 2**bits - 1), np.uint8)
    return np.asarray(values >> (bits - 8), np.uint8)
