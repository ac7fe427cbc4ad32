"""The numbers of a frame as brightness: modality, window or lookup table, and which end is dark (PS3.3, C.11)."""

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi, apply_windowing

from oncoserve.errors import InvalidParameter
from oncoserve.pictures.dicom.library_faults import reading

ROBUST: Final = (1.0, 99.0)
"""Percentiles that become black and white where nobody says a window."""
INVERTED: Final = "MONOCHROME1"
BYTE: Final = 255
FURTHEST: Final = 1e300
"""Beyond every window."""


@dataclass(frozen=True)
class Window:
    """What became black and white, in the modality's units.

    Attributes:
        kind: who says it: the caller, the file by a window or a table, nobody where a byte holds all that there is, or
            nobody where it does not.
        low, high: None for a table.
        unusable: the file's own window in words, where it is none.
    """

    kind: Literal["caller", "file", "table", "whole", "robust"]
    low: float | None = None
    high: float | None = None
    unusable: str = ""


def brightness(
    stored: NDArray[Any], said: Dataset, wanted: str | None
) -> tuple[NDArray[np.uint8], Window | None, NDArray[Any] | None]:
    """What a screen would show of a frame.

    Args:
        stored: as `frame_pixels.pixels_of` gives it.
        said: of the frame: see `Instance.of_frame`.
        wanted: "CENTRE,WIDTH" in the modality's units, the number of one of the file's windows from 1 on, "auto" for
            the robust one, or None for the first of the file's.

    Returns:
        (rows, columns) or (rows, columns, 3) uint8, the window, and the numbers (rows, columns) in the modality's
        units; None and None for colours, which have neither.

    Raises:
        InvalidParameter: the file has no such window, or no window at all.
        CorruptImage: what the file says of its numbers is no sense.
    """
    colour = said.PhotometricInterpretation
    with reading("lookup table"):
        if colour == "PALETTE COLOR" or stored.ndim > 2:  # noqa: PLR2004 - colours
            if wanted is not None:
                raise InvalidParameter(f"Parameter 'window' is {wanted!r}; the file has colours, which have no window.")
            if colour != "PALETTE COLOR":
                return _top_bits(stored, int(said.BitsStored)), None, None
            table = apply_color_lut(stored, said)
            # Some files keep eight bits in entries of sixteen.
            return _top_bits(table, 8 if table.max(initial=0) <= BYTE else 16), None, None
        values = apply_modality_lut(stored, said)
    shown, window = _Windowing(stored, values, said).shown(wanted)
    return (BYTE - shown if colour == INVERTED else shown), window, values


class _Windowing:
    """The numbers of a grey frame.

    Args:
        stored: see `brightness`.
        values: the same in the modality's units.
        said: see `brightness`.
    """

    def __init__(self, stored: NDArray[Any], values: NDArray[Any], said: Dataset) -> None:
        self._stored, self._values, self._said = stored, values, said
        self._windows = _windows(said)

    def shown(self, wanted: str | None) -> tuple[NDArray[np.uint8], Window]:
        """(rows, columns) uint8, and the window that made it."""
        if wanted is None:
            return self._as_the_file_says()
        if wanted == "auto":
            return self._robust()
        if "," in wanted:
            centre, width = map(float, wanted.split(","))
            low, high = centre - width / 2, centre + width / 2
            return _between(self._values, low, high), Window("caller", low, high)
        number = int(wanted)
        if number > len(self._windows) or not _usable(*self._windows[number - 1]):
            count = sum(_usable(*each) for each in self._windows)
            raise InvalidParameter(f"Parameter 'window' is {number}, and the file has {count}.")
        return self._by(number)

    def _as_the_file_says(self) -> tuple[NDArray[np.uint8], Window]:
        if self._said.get("VOILUTSequence"):
            with reading("VOI lookup table"):
                table = apply_voi(self._values, self._said)
                return _top_bits(table, int(self._said.VOILUTSequence[0].LUTDescriptor[2])), Window("table")
        if self._windows and _usable(*self._windows[0]):
            return self._by(1)
        centre, width = self._windows[0] if self._windows else (0, 1)
        unusable = f"centre {centre:g}, width {width:g}" if self._windows else ""
        if int(self._said.BitsStored) <= 8 and self._values is self._stored:  # noqa: PLR2004 - a byte
            return _top_bits(self._stored, int(self._said.BitsStored)), Window("whole", unusable=unusable)
        shown, window = self._robust()
        return shown, replace(window, unusable=unusable)

    def _by(self, number: int) -> tuple[NDArray[np.uint8], Window]:
        """By a window of the file, linear or not."""
        centre, width = self._windows[number - 1]
        window = Window("file", centre - width / 2, centre + width / 2)
        if width < 1 and str(self._said.get("VOILUTFunction") or "LINEAR").upper() == "LINEAR":
            # The standard has no such window; files of maps whose values are small have it, and mean it exactly.
            return _between(self._values, centre - width / 2, centre + width / 2), window
        with reading("window"):
            low, high = apply_windowing(np.array([-FURTHEST, FURTHEST]), self._said, number - 1)
            shown = apply_windowing(self._values, self._said, number - 1)
        return _between(shown, low, high), window

    def _robust(self) -> tuple[NDArray[np.uint8], Window]:
        padding = self._said.get("PixelPaddingValue")
        there = np.isfinite(self._values) if padding is None else self._stored != padding
        seen = self._values[there & np.isfinite(self._values)]
        low, high = np.percentile(seen, ROBUST) if seen.size else (0.0, 1.0)
        return _between(self._values, float(low), float(high)), Window("robust", float(low), float(high))


def _usable(centre: float, width: float) -> bool:
    return bool(np.isfinite(centre) and np.isfinite(width) and width > 0)


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
    """0 at `low` and beyond, 255 at `high` and beyond, whichever is the larger."""
    if high == low:
        return np.where(values > low, BYTE, 0).astype(np.uint8)
    spread = np.nan_to_num((values.astype(np.float64) - low) * (BYTE / (high - low)), posinf=BYTE, neginf=0)
    return np.clip(np.rint(spread), 0, BYTE).astype(np.uint8)


def _top_bits(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """The highest eight of so many bits."""
    if bits <= 8:  # noqa: PLR2004 - a byte
        return np.asarray(values.astype(np.uint16) * 255 // max(1, 2**bits - 1), np.uint8)
    return np.asarray(values >> (bits - 8), np.uint8)
