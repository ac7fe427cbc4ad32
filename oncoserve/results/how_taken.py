"""How a DICOM image was taken, in words: the same as in static/taken.js. Whom it shows is nowhere in a result."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

WHO_SAYS: Final = {"caller": "as asked for", "file": "the file's", "robust": "assumed, as the file has none"}
TIMES: Final = {"TR": "repetition_ms", "TE": "echo_ms", "TI": "inversion_ms"}


def how_taken(image: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Names and texts of what an image's file says; none where it is no DICOM file.

    Args:
        image: `image` of a result's document.
    """
    said = image.get("dicom")
    return tuple((name, text) for name, text in _all(said, image.get("mm_per_px")) if text) if said else ()


def _all(said: Mapping[str, Any], mm_per_px: float | None) -> Iterator[tuple[str, str]]:
    times = [f"{name} {_number(said[key])} ms" for name, key in TIMES.items() if said.get(key) is not None]
    modality, position_mm = said.get("modality", ""), said.get("position_mm")
    yield "Modality", modality
    yield "Body part", said.get("body_part", "").lower()
    yield "Plane", said.get("plane", "")
    yield "Sequence", ", ".join(filter(None, [said.get("weighting"), said.get("sequence"), *times]))
    yield "Contrast agent", "named" if said.get("contrast") else "none named" if modality == "MR" else ""
    yield "Derived", "computed from other images" if said.get("derived") else ""
    yield "Frame", f"{said['frame']} of {said['frames']}" if said.get("frames", 1) > 1 else ""
    yield "Position", "" if position_mm is None else f"{_number(position_mm)} mm along the slices' normal"
    yield "Pixel size", f"{_number(mm_per_px)} mm" if mm_per_px else "unknown"
    yield "Window", _window(said["window"]) if said.get("window") else ""


def _window(window: Mapping[str, Any]) -> str:
    """What became black and white when the model saw it."""
    kind, low, high = window["kind"], window["low"], window["high"]
    if kind == "table":
        return "a table of the file"
    if kind == "whole":
        return "none: all 256 levels of the file"
    return f"centre {_number((low + high) / 2)}, width {_number(high - low)} ({WHO_SAYS[kind]})"


def _number(value: float) -> str:
    """Six digits, as JavaScript writes them."""
    return f"{float(f'{value:.6g}'):.15g}"
