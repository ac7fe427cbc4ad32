"""Every DICOM file that comes with pydicom and pydicom-data, against pydicom's own pipeline."""

import warnings

import numpy as np
import pydicom
import pytest
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut

from oncoserve.errors import CorruptImage, UnsupportedImage
from oncoserve.pictures.decode import decode, read_header
from oncoserve.pictures.dicom.frame_pixels import pixels_of
from oncoserve.pictures.dicom.instance import read_instance
from oncoserve.pictures.dicom.one_frame import frame_of
from oncoserve.pictures.picture import Chosen
from oncoserve.pictures.png_jpeg.scrub import without_metadata
from tests.unit.oncoserve.pictures.dicom.published import FILES, IMAGES, NOTHING_FOR_PYDICOM, REFUSED, without_pixels

MOST_PIXELS = 10**7
BLACK = "#000000"

pytestmark = pytest.mark.filterwarnings("ignore")


def read(path, **chosen):
    return read_header(path.read_bytes(), MOST_PIXELS, Chosen(**chosen)).decode(BLACK)


def of_pydicom(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
    dataset.file_meta.setdefault("TransferSyntaxUID", pydicom.uid.ImplicitVRLittleEndian)
    return dataset


def test_there_are_enough():
    assert len(IMAGES) > 130


@pytest.mark.parametrize("path", IMAGES.values(), ids=IMAGES)
def test_a_file(path):
    """All of it in one test, since a file takes longest to be decoded."""
    data = path.read_bytes()
    instance, picture = read_instance(data, MOST_PIXELS), read(path)
    check_frames_alone(path, instance)
    stored = without_metadata(data, picture)
    assert stored.startswith(b"\x89PNG")
    assert np.array_equal(decode(stored, MOST_PIXELS, BLACK).pixels, picture.pixels)
    if path.name == NOTHING_FOR_PYDICOM:
        return
    dataset = of_pydicom(path)
    theirs = dataset.pixel_array if instance.frames > 1 else dataset.pixel_array[np.newaxis]
    for number, expected in enumerate(theirs, 1):
        assert np.array_equal(pixels_of(instance, number), expected)
    check_brightness(picture, dataset, theirs[0])
    check_source(picture, dataset)


def check_brightness(picture, dataset, pixels):
    """Against pydicom's tables and windows, where it has an opinion."""
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        table = apply_color_lut(pixels, dataset)
        expected = table >> 8 if table.max() > 255 else table
    elif pixels.ndim == 3:
        expected = pixels >> (dataset.BitsStored - 8)
    elif picture.scan.window.kind not in {"file", "table"} or "PerFrameFunctionalGroupsSequence" in dataset:
        return
    else:
        values = apply_voi_lut(apply_modality_lut(pixels, dataset), dataset).astype(float)
        low, high = _range_of(dataset)
        expected = (values - low) * 255 / (high - low)
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            expected = 255 - expected
        expected = np.repeat(expected[..., np.newaxis], 3, axis=2)
    assert np.abs(picture.pixels.astype(float) - expected).max() <= 1


def _range_of(dataset):
    """What is black and what is white, by the standard (PS3.3, C.11.2)."""
    if dataset.get("VOILUTSequence"):
        return 0, 2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1
    return apply_voi_lut(np.array([-1e300, 1e300]), dataset)


def check_frames_alone(path, instance):
    """A frame as a file of its own is the same picture."""
    for number in {1, instance.frames}:
        there, alone = read(path, frame=number), decode(frame_of(instance, number), MOST_PIXELS, BLACK)
        assert np.array_equal(there.pixels, alone.pixels)
        assert alone.scan.document() == there.scan.document() | {"window": alone.scan.document()["window"]}
        assert (alone.scan.frame, alone.scan.frames) == (number, instance.frames)
        assert alone.mm_per_px == there.mm_per_px


def check_source(picture, dataset):
    """What is kept for SEG and SR has all but pixels."""
    kept = pydicom.dcmread(pydicom.filebase.DicomBytesIO(picture.source))
    for name in ("PatientName", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PixelSpacing"):
        assert kept.get(name) == dataset.get(name)
    assert not {"PixelData", "FloatPixelData"} & {each.keyword for each in kept}
    assert not [each for each in kept if each.tag.group & 0xFF00 == 0x6000]


@pytest.mark.parametrize("name", sorted(REFUSED["415"] | set(sorted(filter(without_pixels, FILES))[:3])))
def test_what_is_no_image_is_named(name):
    path = FILES.get(name) or next(each for known, each in FILES.items() if known.endswith("/" + name))
    with pytest.raises(UnsupportedImage) as refused:
        read(path)
    words = ("DICOMDIR", "without pixels", "made of another image", "JPEG Extended of 12 bits", "unknown binary data")
    assert any(each in refused.value.detail for each in words)


@pytest.mark.parametrize("name", sorted(REFUSED["422"]))
def test_what_is_damaged_is_told(name):
    with pytest.raises(CorruptImage):
        read(FILES[name])


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm", "JPEG-LL.dcm", "image_dfl.dcm"])
def test_every_beginning_of_a_file_is_told_something(name):
    data = FILES[name].read_bytes()
    for size in range(1, len(data), max(1, len(data) // 100)):
        try:
            picture = read_header(data[:size], MOST_PIXELS).decode(BLACK)
        except (UnsupportedImage, CorruptImage):
            continue
        assert picture.width
        assert size > len(data) * 0.9, "pixels out of nothing"
