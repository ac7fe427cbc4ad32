"""What an instance says of how it was taken, without a word of whom: for the scope of a model, and for the page."""

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset

PLANES: Final = ("sagittal", "coronal", "axial")
"""By the axis of the patient that a slice is nearest to square with: left, posterior, head."""
OBLIQUE: Final = 0.8
"""Cosine between a slice's normal and that axis, below which it is no such plane: 37 degrees."""
LONGEST: Final = 64
CODES: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ ")
"""What a DICOM code string is made of: other text may be anybody's, a name too, and is left out."""


@dataclass(frozen=True)
class Facts:
    """How an image was taken.

    Attributes:
        modality: such as MR.
        body_part: such as HEAD; empty where it is not said.
        plane: `axial`, `coronal`, `sagittal`, `oblique`, or empty.
        sequence: such as SE, of MR.
        contrast: whether an agent is named.
        repetition_ms, echo_ms, inversion_ms: of MR.
        derived: whether it was computed from other images.
        burned_in: what it says of text in the pixels: YES, NO or empty.
        frames: how many there are.
    """

    modality: str = ""
    body_part: str = ""
    plane: str = ""
    sequence: str = ""
    contrast: bool = False
    repetition_ms: float | None = None
    echo_ms: float | None = None
    inversion_ms: float | None = None
    derived: bool = False
    burned_in: str = ""
    frames: int = 1

    def document(self) -> dict[str, Any]:
        """For the result."""
        return asdict(self)


def facts_of(said: Dataset, frames: int) -> Facts:
    """The facts of a frame.

    Args:
        said: of the frame: see `Instance.of_frame`.
        frames: how many the instance has.
    """
    kinds = said.get("ImageType") or []
    return Facts(
        modality=_code(said, "Modality"),
        body_part=_code(said, "BodyPartExamined"),
        plane=_plane(said),
        sequence=_code(said, "ScanningSequence"),
        contrast=bool(said.get("ContrastBolusAgent") or said.get("ContrastBolusAgentSequence")),
        repetition_ms=_number(said, "RepetitionTime"),
        echo_ms=_number(said, "EchoTime"),
        inversion_ms=_number(said, "InversionTime"),
        derived="DERIVED" in [str(each).upper() for each in ([kinds] if isinstance(kinds, str) else kinds)],
        burned_in=_code(said, "BurnedInAnnotation"),
        frames=frames,
    )


def _code(said: Dataset, keyword: str) -> str:
    value = said.get(keyword)
    parts = [value] if isinstance(value, str) else list(value or [])
    text = "\\".join(str(each) for each in parts).upper()[:LONGEST]
    return text if set(text) <= CODES | {"\\"} else ""


def _number(said: Dataset, keyword: str) -> float | None:
    try:
        value = float(said[keyword].value)
    except (KeyError, TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None


def _plane(said: Dataset) -> str:
    try:
        cosines = np.array([float(each) for each in said["ImageOrientationPatient"].value])
        normal = np.abs(np.cross(cosines[:3], cosines[3:]))
    except (KeyError, TypeError, ValueError):
        return ""
    if cosines.shape != (6,) or not np.isfinite(normal).all() or not normal.any():
        return ""
    normal /= np.linalg.norm(normal)
    axis = int(normal.argmax())
    return PLANES[axis] if normal[axis] >= OBLIQUE else "oblique"
