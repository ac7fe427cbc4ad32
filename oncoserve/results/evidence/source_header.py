"""What the outputs take over from their source: whose it is, and where in the patient its frame lies.

Only elements that are needed, each looked at: files of the field hold much that no writer should repeat.
"""

import hashlib
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pydicom
from pydicom.config import RAISE
from pydicom.datadict import dictionary_VM, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage, SecondaryCaptureImageStorage
from pydicom.valuerep import DS, validate_value

from oncoserve.errors import SourceIncomplete
from oncoserve.pictures.dicom.instance import flattened
from oncoserve.pictures.dicom.library_faults import reading
from oncoserve.pictures.dicom.spacing import STATED_BY
from oncoserve.results.evidence.output_uids import uid_of

REQUIRED: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
OWN_UID: Final = re.compile(r"[0-9][0-9.]{0,63}")
"""Of the source: some have parts that begin with 0, and what refers to them has to repeat that."""
EMPTY: Final = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
)
"""Of the patient and of the study what has to be there, if only empty (type 2)."""
OPTIONAL: Final = (
    "IssuerOfPatientID",
    "StudyDescription",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "TimezoneOffsetFromUTC",
)
SEXES: Final = frozenset({"M", "F", "O"})
SIDES: Final = frozenset({"L", "R"})
ZONE: Final = re.compile(r"[+-](0\d|1[0-4])[0-5]\d")
MODALITY: Final = re.compile(r"[A-Z0-9_ ]{1,16}")
STANDINS: Final = {"MR": MRImageStorage, "CT": CTImageStorage}
"""SOP classes that the library builds on, whatever the source's is: of others it may refuse what the source lacks."""
MOST_NUMBER: Final = 2**31 - 1
"""Of an element of VR IS."""
SQUARE: Final = 1e-2
"""How far a direction's length may be from 1, and the angle of two from a right one (its cosine from 0)."""


@dataclass(frozen=True)
class Source:
    """An image that outputs are about.

    Attributes:
        header: what the library builds on, of one frame, without a word of the patient.
        identity: elements of the patient and of the study, valid or empty.
        sop_class: the source's own, which references state.
        frame: from 1 on; None where the source has one frame only.
        number: of the image among those of its series, as it says it, or else of the frame.
        located: whether it is known where in the patient the frame lies.
        spacing: height and width of a pixel, mm; None where they are not known.
        burned_in: what the source says of text in its pixels: YES, NO or empty.
        laterality: of the body part, L, R or empty.
    """

    header: Dataset
    identity: Dataset
    sop_class: str
    frame: int | None
    number: int
    located: bool
    spacing: tuple[float, float] | None
    burned_in: str
    laterality: str


def read_source(data: bytes, number: int, frames: int, size: tuple[int, int]) -> Source:
    """Read `source.dcm` of a result.

    Args:
        data: the file.
        number: of the frame that the result is of, from 1 on.
        frames: how many the source has.
        size: rows and columns.

    Raises:
        SourceIncomplete: it has no UIDs to refer to.
        CorruptImage: it cannot be read.
    """
    with reading("header"):
        whole = pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=True)
        said = flattened(whole, 1)  # `one_frame.header_of` keeps no other frame's
        if missing := _missing(whole):
            raise SourceIncomplete(missing)
        identity = Dataset()
        for name in (*EMPTY, *OPTIONAL):
            value = _valid(whole, name)
            if value or name in EMPTY:
                setattr(identity, name, value)
        if not ZONE.fullmatch(identity.get("TimezoneOffsetFromUTC", "+0000")):
            del identity.TimezoneOffsetFromUTC
        if identity.PatientSex not in SEXES:
            identity.PatientSex = ""
        header = _header(whole, size)
        spacing, located = _spacing(said), _locate(said, header)
        if spacing is None or not located:
            for name in ("ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID"):
                header.pop(name, None)
        else:
            header.PixelSpacing = [DS(each, auto_format=True) for each in spacing]
            if "SliceThickness" not in header:  # it has to be stated, and not as 0
                header.SliceThickness = header.get("SpacingBetweenSlices", header.PixelSpacing[0])
        located = "ImagePositionPatient" in header
        standin = STANDINS.get(header.Modality, MRImageStorage) if located else SecondaryCaptureImageStorage
        header.SOPClassUID = standin
        return Source(
            header,
            identity,
            str(whole.SOPClassUID),
            number if frames > 1 else None,
            number if frames > 1 else _instance_number(whole),
            located,
            spacing,
            str(said.get("BurnedInAnnotation") or ""),
            said.Laterality if said.get("Laterality") in SIDES else "",
        )


def can_be_referred_to(data: bytes) -> bool:
    """Whether `source.dcm` of a result has the UIDs that an output needs.

    Raises:
        CorruptImage: it cannot be read.
    """
    with reading("header"):
        return not _missing(pydicom.dcmread(io.BytesIO(data), force=True, specific_tags=list(REQUIRED)))


def _missing(whole: Dataset) -> list[str]:
    return [name for name in REQUIRED if not OWN_UID.fullmatch(str(whole.get(name) or ""))]


def _header(whole: Dataset, size: tuple[int, int]) -> Dataset:
    """One frame's, as the library asks for it; the patient and the study are empty."""
    header = Dataset()
    for name in EMPTY:
        setattr(header, name, "")
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(header, name, str(whole[name].value))
    modality = str(whole.get("Modality") or "")
    header.Modality = modality if MODALITY.fullmatch(modality) else "OT"
    header.Rows, header.Columns = size
    if whole.get("LossyImageCompression") == "01":
        header.LossyImageCompression = "01"
        for name in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
            if value := _valid(whole, name):
                setattr(header, name, value)
    return header


def _valid(said: Dataset, name: str) -> Any:  # noqa: ANN401 - pydicom's
    """An element's value, or an empty one where it is none that the standard allows."""
    try:
        value = said[name].value
        values = list(value) if dictionary_VM(name) != "1" and not isinstance(value, str) else [value]
        texts = [str(each) for each in values if each is not None]
        for text in texts:
            validate_value(dictionary_VR(name), text, RAISE)
            if not text.isprintable():
                return ""
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""
    return texts[0] if len(texts) == 1 else (texts or "")


def _spacing(said: Dataset) -> tuple[float, float] | None:
    found = next(_numbers(said, STATED_BY, 2), None)
    return None if found is None or min(found) <= 0 else (found[0], found[1])


def _locate(said: Dataset, header: Dataset) -> bool:
    """Say in the header where the frame lies.

    Returns:
        False where the source does not say it, or in a way that makes no sense.
    """
    reference = str(said.get("FrameOfReferenceUID") or "")
    if not OWN_UID.fullmatch(reference):  # all of a series lie in one
        reference = uid_of(hashlib.sha256(f"frame of reference {header.SeriesInstanceUID}".encode()).digest())
    position = next(_numbers(said, ("ImagePositionPatient",), 3), None)
    cosines = next(_numbers(said, ("ImageOrientationPatient",), 6), None)
    if position is None or cosines is None:
        return False
    row, column = np.array(cosines[:3]), np.array(cosines[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if not np.allclose(lengths, 1, atol=SQUARE) or abs(row @ column) > SQUARE:
        return False
    header.FrameOfReferenceUID = reference
    header.PositionReferenceIndicator = _valid(said, "PositionReferenceIndicator")
    header.ImagePositionPatient = [DS(each, auto_format=True) for each in position]
    header.ImageOrientationPatient = [DS(each, auto_format=True) for each in cosines]
    for name in ("SpacingBetweenSlices", "SliceThickness"):
        value = next(_numbers(said, (name,), 1), None)
        if value is not None and value[0] > 0:
            setattr(header, name, DS(value[0], auto_format=True))
    return True


def _instance_number(whole: Dataset) -> int:
    number = next(_numbers(whole, ("InstanceNumber",), 1), [1.0])[0]
    return int(number) if 1 <= number <= MOST_NUMBER else 1


def _numbers(said: Dataset, names: Sequence[str], count: int) -> Iterator[list[float]]:
    """The finite numbers of each element that has so many."""
    for name in names:
        try:
            value = said[name].value
            found = [float(each) for each in (value if count > 1 else [value])]
        except (KeyError, TypeError, ValueError):
            continue
        if len(found) == count and all(map(math.isfinite, found)):
            yield found
