"""The overlay as a Secondary Capture: a picture that every viewer of an archive shows."""

from typing import Final

import numpy as np
from highdicom.sc import SCImage
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM

from oncoserve import NOTICE
from oncoserve.errors import InvalidParameter
from oncoserve.results.evidence.evidence_file import Output

TEXT_SHARE: Final = 45
"""Of the longer side of the picture, the size of the notice on it."""
LEAST_TEXT: Final = 10
DIRECTIONS: Final = (("L", "R"), ("P", "A"), ("H", "F"))
"""By the patient's axis what lies towards it, and against it."""


def secondary_capture(output: Output, drawn: Image.Image) -> Dataset:
    """The object.

    Args:
        output: what is made.
        drawn: the overlay, of the ORIGINAL's size.

    Raises:
        InvalidParameter: it shall be deidentified, and the source says that its pixels name somebody.
    """
    source = output.source
    if output.options.deidentify and source.burned_in == "YES":
        raise InvalidParameter("Parameter 'deidentify' is true, and the image says that its pixels hold such text.")
    fields = output.fields("Overlay")
    del fields["content_date"], fields["content_time"]  # the library knows them for others only; they are set later
    made = SCImage(
        np.asarray(_with_notice(drawn)),
        "RGB",
        8,
        "PATIENT",
        str(source.header.StudyInstanceUID),
        patient_orientation=_directions(source.header) or ("L", "P"),
        pixel_spacing=source.spacing,
        **fields,
    )
    if "ImageOrientationPatient" not in source.header:
        made.PatientOrientation = []
    made.Laterality = source.laterality
    made.ConversionType = "WSD"
    made.BurnedInAnnotation = "NO" if source.burned_in == "NO" else "YES"  # where nobody says it, it is looked at
    made.DateOfSecondaryCapture, made.TimeOfSecondaryCapture = DA(output.created.date()), TM(output.created.time())
    made.DerivationDescription = f"Overlay. {output.words}"
    made.ImageComments = output.words
    reference = Dataset()
    reference.ReferencedSOPClassUID = source.sop_class
    reference.ReferencedSOPInstanceUID = source.header.SOPInstanceUID
    made.SourceImageSequence = [reference]
    made.LossyImageCompression = source.header.get("LossyImageCompression", "00")
    for name in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if name in source.header:
            setattr(made, name, source.header[name].value)
    return made


def _with_notice(drawn: Image.Image) -> Image.Image:
    found = drawn.convert("RGB")
    font = ImageFont.load_default(max(LEAST_TEXT, max(found.size) / TEXT_SHARE))
    place = (2, found.height - 2)
    ImageDraw.Draw(found).text(place, NOTICE, (255, 255, 255), font, "lb", stroke_width=1, stroke_fill=(0, 0, 0))
    return found


def _directions(header: Dataset) -> tuple[str, str] | None:
    """Where rows and columns go, by the nearest axis of the patient."""
    if "ImageOrientationPatient" not in header:
        return None
    cosines = np.array(header.ImageOrientationPatient, np.float64)
    row, column = (
        DIRECTIONS[int(np.abs(way).argmax())][int(way[np.abs(way).argmax()] < 0)] for way in (cosines[:3], cosines[3:])
    )
    return row, column
