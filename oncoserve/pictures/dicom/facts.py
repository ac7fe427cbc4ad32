"""What an instance says of how it was taken, without a word of whom: for the scope of a model, and for the page."""

import re
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset

from oncoserve.pictures.dicom.weighting import weighting_of

PLANES: Final = ("sagittal", "coronal", "axial")
"""By the axis of the patient that a slice is nearest to square with: left, posterior, head."""
OBLIQUE: Final = 0.8
"""Cosine between a slice's normal and that axis, below which it is no such plane: 37 degrees."""
# Only these words of a file are repeated: an element that should hold one of them may hold a name.
MODALITIES: Final = re.compile(
    r"AR|BI|BMD|CR|CT|DX|ECG|ES|GM|IO|IVOCT|IVUS|LS|MG|MR|NM|OAM|OCT|OP|OPM|OPT|OT|PT|PX|RF|RG|RTIMAGE|SC|SM|TG|US|XA|XC"
)
BODY_PARTS: Final = re.compile(
    r"ABDOMEN|ABDOMENPELVIS|ADRENAL|ANKLE|AORTA|ARM|AXILLA|BLADDER|BRAIN|BREAST|CERVIX|CHEST|CHESTABDOMEN|"
    r"CHESTABDPELVIS|CLAVICLE|COCCYX|COLON|CSPINE|CTSPINE|DUODENUM|EAR|ELBOW|ESOPHAGUS|EXTREMITY|EYE|FACE|FEMUR|FINGER|"
    r"FOOT|GALLBLADDER|HAND|HEAD|HEADNECK|HEART|HIP|HUMERUS|IAC|JAW|KIDNEY|KNEE|LEG|LIVER|LSPINE|LSSPINE|LUNG|"
    r"MAXILLA|MEDIASTINUM|MOUTH|NECK|NECKCHEST|NOSE|ORBIT|OVARY|PANCREAS|PAROTID|PELVIS|PENIS|PITUITARY|PROSTATE|RECTUM|"
    r"RIB|SACRUM|SCALP|SCAPULA|SHOULDER|SIJOINT|SINUS|SKIN|SKULL|SPINE|SPLEEN|SSPINE|STERNUM|STOMACH|TESTIS|THIGH|"
    r"THYMUS|THYROID|TIBIA|TLSPINE|TOE|TONGUE|TRACHEA|TSPINE|UTERUS|VAGINA|WHOLEBODY|WRIST|ZYGOMA"
)
"""Of PS3.16, Annex L, without spaces."""
SEQUENCES: Final = re.compile(r"SE|IR|GR|EP|RM")
ANSWERS: Final = re.compile(r"YES|NO")


@dataclass(frozen=True)
class Facts:
    """How an image was taken.

    Attributes:
        modality: such as MR.
        body_part: such as HEAD; empty where it is not said.
        plane: `axial`, `coronal`, `sagittal`, `oblique`, or empty.
        sequence: such as SE, of MR; several are apart by a backslash, as in the file.
        weighting: of MR: see `weighting.weighting_of`; empty where it cannot be told.
        contrast: whether an agent is named.
        repetition_ms, echo_ms, inversion_ms: of MR.
        derived: whether it was computed from other images.
        burned_in: what it says of text in the pixels: YES, NO or empty.
    """

    modality: str = ""
    body_part: str = ""
    plane: str = ""
    sequence: str = ""
    weighting: str = ""
    contrast: bool = False
    repetition_ms: float | None = None
    echo_ms: float | None = None
    inversion_ms: float | None = None
    derived: bool = False
    burned_in: str = ""

    def document(self) -> dict[str, Any]:
        """For the result."""
        return asdict(self)

    def said(self, fact: str) -> str:
        """One of them in words, `yes` and `no` of those that are true or not; empty where the file does not say it."""
        value = getattr(self, fact)
        return value if isinstance(value, str) else "yes" if value else "no"


def facts_of(said: Dataset) -> Facts:
    """The facts of a frame.

    Args:
        said: of the frame: see `Instance.of_frame`.
    """
    kinds = said.get("ImageType") or []
    return Facts(
        modality=_word(said, "Modality", MODALITIES),
        body_part=_word(said, "BodyPartExamined", BODY_PARTS),
        plane=_plane(said),
        sequence=_word(said, "ScanningSequence", SEQUENCES),
        weighting=weighting_of(said),
        contrast=bool(said.get("ContrastBolusAgent") or said.get("ContrastBolusAgentSequence")),
        repetition_ms=_number(said, "RepetitionTime"),
        echo_ms=_number(said, "EchoTime"),
        inversion_ms=_number(said, "InversionTime"),
        derived="DERIVED" in [str(each).upper() for each in ([kinds] if isinstance(kinds, str) else kinds)],
        burned_in=_word(said, "BurnedInAnnotation", ANSWERS),
    )


def _word(said: Dataset, keyword: str, known: re.Pattern[str]) -> str:
    value = said.get(keyword)
    parts = [value] if isinstance(value, str) else list(value or [])
    words = [str(each).upper().replace(" ", "") for each in parts]
    return "\\".join(words) if all(map(known.fullmatch, words)) else ""


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
