"""DICOM files that are damaged in the ways that files are damaged, and in those that somebody would think of."""

import io
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence

SEEDS = (
    "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "emri_small.dcm", "emri_small_jpeg_2k_lossless.dcm",
    "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_small_odd.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "CT_small.dcm", "image_dfl.dcm",
    "mlut_18.dcm", "vlut_04.dcm", "eCT_Supplemental.dcm", "examples_palette.dcm", "color3d_jpeg_baseline.dcm",
)  # fmt: skip
ODD_VALUES = ("", "nan", "NaN\\NaN", "-1", "0", "0\\0", "inf", "1e308\\1e308", "A" * 64, "1\\2\\3\\4\\5\\6\\7", "\x00")
ODD_NUMBERS = (0, 1, 2, 3, 7, 8, 15, 16, 17, 32, 64, 255, 32767, 65535)
TEXTS = (
    "WindowCenter", "WindowWidth", "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "RescaleSlope",
    "RescaleIntercept", "NumberOfFrames", "PhotometricInterpretation", "SeriesInstanceUID", "SOPInstanceUID",
    "SpecificCharacterSet", "PatientName", "EchoTime", "RepetitionTime", "Modality", "BodyPartExamined", "ImageType",
    "VOILUTFunction", "StudyInstanceUID",
)  # fmt: skip
NUMBERS = (
    "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel",
    "PlanarConfiguration", "PixelPaddingValue",
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A damaged file, and how it came to be."""

    name: str
    data: bytes


def mutants(seed: int, count: int) -> Iterator[Mutant]:
    """So many files, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    files = {name: Path(str(get_testdata_file(name))).read_bytes() for name in SEEDS}
    ways = (_bits, _cut, _lengths, _hole, _doubled, _element, _element, _element, _syntax)
    for number in range(count):
        name, way = chance.choice(SEEDS), chance.choice(ways)
        yield Mutant(f"{number} {way.__name__} {name}", way(chance, files[name]))


def _bits(chance: random.Random, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(chance.choice((1, 4, 30))):
        found[chance.randrange(128, len(found))] = chance.randrange(256)
    return bytes(found)


def _cut(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(132, len(data))]


def _lengths(chance: random.Random, data: bytes) -> bytes:
    """Somewhere in the header, a length that is none."""
    found = bytearray(data)
    at = chance.randrange(132, min(len(data), 4000)) & ~1
    struct.pack_into("<I", found, at, chance.choice((0, 1, 0xFFFFFFFF, 0xFFFFFFFE, 2**31, len(data), len(data) * 2)))
    return bytes(found)


def _hole(chance: random.Random, data: bytes) -> bytes:
    at, size = chance.randrange(132, len(data)), chance.choice((1, 2, 8, 100))
    return data[:at] + data[at + size :]


def _doubled(chance: random.Random, data: bytes) -> bytes:
    at, size = chance.randrange(132, len(data)), chance.choice((1, 2, 8, 100, 2000))
    return data[: at + size] + data[at:]


def _syntax(chance: random.Random, data: bytes) -> bytes:
    """Pixels that are coded in another way than the file says."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    said = str(dataset.file_meta.TransferSyntaxUID).encode()
    others = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5",
              *(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81, 90, 91, 100, 201)))  # fmt: skip
    other = chance.choice(others).encode().ljust(len(said), b"\0")[: len(said)]
    return data.replace(said, other, 1)


def _element(chance: random.Random, data: bytes) -> bytes:
    """An element that is not there, or says something else, or is nested too often."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    kind = chance.randrange(5)
    if kind == 0:
        for tag in chance.sample(list(dataset.keys()), 3):
            del dataset[tag]
    elif kind == 1:
        name = chance.choice(TEXTS)
        element = pydicom.DataElement(name, pydicom.datadict.dictionary_VR(name), None)
        element._value = chance.choice(ODD_VALUES)
        dataset[name] = element
    elif kind == 2:
        name = chance.choice(NUMBERS)
        dataset[name] = pydicom.DataElement(name, "US", chance.choice(ODD_NUMBERS))
    elif kind == 3:
        inner = Dataset()
        for _ in range(chance.choice((3, 30, 200))):
            outer = Dataset()
            outer.SourceImageSequence = Sequence([inner])
            inner = outer
        dataset.update(inner)
    elif "PixelData" in dataset:
        dataset.PixelData = dataset.PixelData[: chance.randrange(len(dataset.PixelData))]
    return _written(dataset) or data[:200]


def _written(dataset: Dataset) -> bytes | None:
    buffer = io.BytesIO()
    try:
        dcmwrite(buffer, dataset)
    except Exception:  # noqa: BLE001 - what cannot be written is no file
        return None
    return buffer.getvalue()
