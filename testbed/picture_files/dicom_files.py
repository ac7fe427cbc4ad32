"""DICOM files of MR slices, with a patient planted in them whom no list, log or name of a file may show."""

import io
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

MR, ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"
AXIAL: Final = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL: Final = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL: Final = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)

PLANTED: Final = {
    "PatientName": "Planted^Wilhelmine",
    "PatientID": "PLANTED-7041",
    "PatientBirthDate": "19330714",
    "StudyDate": "20190228",
    "SeriesDate": "20190228",
    "AcquisitionDate": "20190228",
    "ContentDate": "20190228",
    "AccessionNumber": "ACC-PLANTED-9",
    "InstitutionName": "Planted Hospital",
    "ReferringPhysicianName": "Doctor^Planted",
}
"""What identifies somebody."""


def mr_slice(pixels: NDArray[Any], **tags: object) -> bytes:
    """A Part 10 file of one MR slice: axial, T1, of the head, 1 mm, at the origin, in a study and series of its own.

    Args:
        pixels: (rows, columns), unsigned 8 or 16 bits.
        tags: Elements by keyword that it has instead; None leaves one out.
    """
    return part_10(_described(pixels, MR), **tags)


def mr_series(slices: Sequence[NDArray[Any]], spacing_mm: float = 5.0, **tags: object) -> list[bytes]:
    """Slices of one series, the lowest first, with instance numbers that run the other way.

    Args:
        slices: See `mr_slice`.
        spacing_mm: From one to the next, along the patient's axis.
        tags: Of all.
    """
    one = {"SeriesInstanceUID": generate_uid(), "StudyInstanceUID": generate_uid()}
    return [
        mr_slice(
            pixels,
            **{
                "ImagePositionPatient": [-10.0, -20.0, 3.0 + spacing_mm * number],
                "InstanceNumber": len(slices) - number,
                **one,
                **tags,
            },
        )
        for number, pixels in enumerate(slices)
    ]


def enhanced_mr(frames: Sequence[NDArray[Any]], spacing_mm: float = 5.0, **tags: object) -> bytes:
    """A Part 10 file of an enhanced MR image: orientation and spacing are shared, each frame has a position.

    Args:
        frames: See `mr_slice`; alike in shape.
        spacing_mm: From one to the next.
        tags: See `mr_slice`.
    """
    found = _described(frames[0], ENHANCED_MR)
    found.PixelData = b"".join(frame.tobytes() for frame in frames)
    found.NumberOfFrames = len(frames)
    shared, own = Dataset(), []
    measures, orientation = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = found.PixelSpacing, found.SliceThickness
    orientation.ImageOrientationPatient = found.ImageOrientationPatient
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Items([measures]), Items([orientation])
    for number in range(len(frames)):
        groups, position = Dataset(), Dataset()
        position.ImagePositionPatient = [-10.0, -20.0, 3.0 + spacing_mm * number]
        groups.PlanePositionSequence = Items([position])
        own.append(groups)
    for keyword in ("PixelSpacing", "SliceThickness", "ImageOrientationPatient", "ImagePositionPatient"):
        delattr(found, keyword)
    found.SharedFunctionalGroupsSequence, found.PerFrameFunctionalGroupsSequence = Items([shared]), Items(own)
    return part_10(found, **tags)


def part_10(dataset: Dataset, **tags: object) -> bytes:
    """A file of a dataset, in explicit little endian.

    Args:
        dataset: Changed by the tags.
        tags: See `mr_slice`.
    """
    for keyword, value in tags.items():
        if value is not None:
            setattr(dataset, keyword, value)
        elif keyword in dataset:
            delattr(dataset, keyword)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    dataset.file_meta = meta
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return buffer.getvalue()


def _described(pixels: NDArray[Any], kind: str) -> Dataset:
    bits = 8 * pixels.dtype.itemsize
    found = Dataset()
    values = {
        **PLANTED,
        "SOPClassUID": kind,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "FrameOfReferenceUID": generate_uid(),
        "Modality": "MR",
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "SE"],
        "BodyPartExamined": "HEAD",
        "SeriesDescription": "T1",
        "ScanningSequence": "SE",
        "SequenceVariant": "NONE",
        "ScanOptions": "",
        "MRAcquisitionType": "2D",
        "RepetitionTime": 500.0,
        "EchoTime": 10.0,
        "EchoTrainLength": 1,
        "PatientSex": "F",
        "PatientPosition": "HFS",
        "PositionReferenceIndicator": "",
        "Manufacturer": "Oncoserve",
        "StudyTime": "101112",
        "StudyID": "1",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "SliceThickness": 5.0,
        "PixelSpacing": [1.0, 1.0],
        "ImageOrientationPatient": list(AXIAL),
        "ImagePositionPatient": [0.0, 0.0, 0.0],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": 0,
        "WindowCenter": float(2 ** (bits - 1)),
        "WindowWidth": float(2**bits),
    }
    for keyword, value in values.items():
        setattr(found, keyword, value)
    data = np.ascontiguousarray(pixels).tobytes()
    found.add_new("PixelData", "OB" if bits == 8 else "OW", data + b"\0" * (len(data) % 2))  # noqa: PLR2004 - a byte
    return found
