"""What an instance says of the picture in it, beside its pixels: all that results, warnings and outputs need."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset

from oncoserve.pictures.dicom.brightness import Window
from oncoserve.pictures.dicom.facts import Facts, facts_of
from oncoserve.pictures.dicom.instance import Instance
from oncoserve.pictures.dicom.spacing import Spacing, spacing_of
from oncoserve.pictures.grey_values import GreyValues
from oncoserve.pictures.rgb import Warn

PSEUDONYM_DIGITS: Final = 12
AXES: Final = 3


@dataclass(frozen=True)
class Scan:
    """A frame of an instance.

    Attributes:
        facts: how it was taken.
        spacing: how large its pixels are.
        frame: its number in the instance that it was sent in, from 1 on.
        frames: how many that has.
        series: hexadecimal digits that are the same for all instances of a series, and tell nothing else; empty where
            it does not say its series.
        position_mm: of its plane, along the normal of the plane; None where it does not say how it lies.
        chosen: whether the caller said which frame.
        window: what became black and white; None before it was decoded, and for colours.
        grey: how its numbers are kept; likewise.
    """

    facts: Facts
    spacing: Spacing
    frame: int = 1
    frames: int = 1
    series: str = ""
    position_mm: float | None = None
    chosen: bool = False
    window: Window | None = None
    grey: GreyValues | None = None

    @property
    def warnings(self) -> tuple[Warn, ...]:
        """What makes a result of it doubtful."""
        return (*self.spacing.warnings, *self._of_frames(), *self._of_pixels())

    def _of_frames(self) -> tuple[Warn, ...]:
        if self.frames == 1 or self.chosen:
            return ()
        message = (
            f"The file has {self.frames} frames, and this is number {self.frame}; the parameter 'frame' names another, "
            "and a job takes all of them."
        )
        return (Warn("one_of_several_frames", message),)

    def _of_pixels(self) -> tuple[Warn, ...]:
        found = []
        if self.facts.burned_in == "YES":
            message = (
                "The file says that text is burned into its pixels: perhaps a name, which is then in the pictures."
            )
            found.append(Warn("burned_in_text", message))
        if self.window and self.window.kind == "robust":
            message = (
                f"The file has no window; {self.window.low:g} became black and {self.window.high:g} white, which leave "
                "a hundredth of its values on either side. The parameter 'window' gives another."
            )
            found.append(Warn("window_assumed", message))
        if self.window and self.window.unusable:
            message = f"A window of the file is no window ({self.window.unusable}) and was not used."
            found.append(Warn("window_unusable", message))
        return tuple(found)

    def document(self) -> dict[str, Any]:
        """For the result: nothing that names a patient, a place or a day."""
        window = self.window
        return {
            **self.facts.document(),
            "frame": self.frame,
            "frames": self.frames,
            "series": self.series,
            "position_mm": self.position_mm,
            "window": window and {"kind": window.kind, "low": window.low, "high": window.high},
            "values": self.grey and asdict(self.grey),
        }


def scan_of(instance: Instance, number: int, *, chosen: bool) -> Scan:
    """What is said of a frame.

    Args:
        instance: the image.
        number: of the frame in the file, from 1 on.
        chosen: whether the caller named it.
    """
    said = instance.of_frame(number)
    place = instance.place
    return Scan(
        facts_of(said),
        spacing_of(said),
        place.number if place else number,
        place.frames if place else instance.frames,
        _pseudonym(said),
        _position(said),
        chosen or place is not None,
    )


def _pseudonym(said: Dataset) -> str:
    series = str(said.get("SeriesInstanceUID") or "")
    return hashlib.sha256(series.encode()).hexdigest()[:PSEUDONYM_DIGITS] if series else ""


def _position(said: Dataset) -> float | None:
    """Millimetres from the origin of the patient's coordinates to the plane, along its normal (PS3.3, C.7.6.2)."""
    try:
        cosines = np.array([float(each) for each in said["ImageOrientationPatient"].value])
        corner = np.array([float(each) for each in said["ImagePositionPatient"].value])
        position = float(np.cross(cosines[:AXES], cosines[AXES:]) @ corner)
    except (KeyError, TypeError, ValueError):
        return None
    return round(position, 4) if np.isfinite(position) else None
