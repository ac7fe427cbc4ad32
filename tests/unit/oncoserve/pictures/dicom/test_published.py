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
    if path.name == NOTHING_FOR_PYDICOM:
        pytest.skip("pydicom reads nothing of it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
    dataset.file_meta.setdefault("TransferSyntaxUID", pydicom.uid.ImplicitVRLittleEndian)
    return dataset


def test_there_are_enough():
    assert len(IMAGES) > 130


@pytest.mark.parametrize("path", IMAGES.values(), ids=IMAGES)
def test_the_pixels_are_those_of_pydicom(path):
    instance, theirs = read_instance(path.read_bytes(), MOST_PIXELS), of_pydicom(path).pixel_array
    frames = theirs if instance.frames > 1 else theirs[np.newaxis]
    for number, expected in enumerate(frames, 1):
        assert np.array_equal(pixels_of(instance, number), expected)


@pytest.mark.parametrize("path", IMAGES.values(), ids=IMAGES)
def test_the_brightness_is_that_of_pydicoms_tables_and_windows(path):
    dataset = of_pydicom(path)
    picture = read(path)
    pixels = dataset.pixel_array if picture.scan.frames == 1 else dataset.pixel_array[0]
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        table = apply_color_lut(pixels, dataset)
        expected = table >> 8 if table.max() > 255 else table
    elif pixels.ndim == 3:
        expected = pixels >> (dataset.BitsStored - 8)
    elif picture.scan.window.kind not in {"file", "table"} or "PerFrameFunctionalGroupsSequence" in dataset:
        pytest.skip("what pydicom has no opinion about")
    else:
        values = apply_voi_lut(apply_modality_lut(pixels, dataset), dataset).astype(float)
        low, high = _range_of(values, dataset)
        expected = (values - low) * 255 / (high - low)
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            expected = 255 - expected
        expected = np.repeat(expected[..., np.newaxis], 3, axis=2)
    assert np.abs(picture.pixels.astype(float) - expected).max() <= 1


def _range_of(values, dataset):
    """What is black and what is white, by the standard (PS3.3, C.11.2)."""
    if dataset.get("VOILUTSequence"):
        return 0, 2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1
    span = np.array([-1e300, 1e300])
    return apply_voi_lut(span, dataset)


@pytest.mark.parametrize("path", IMAGES.values(), ids=IMAGES)
def test_a_frame_alone_is_the_same_picture(path):
    data = path.read_bytes()
    instance = read_instance(data, MOST_PIXELS)
    for number in {1, instance.frames}:
        there, alone = read(path, frame=number), decode(frame_of(instance, number), MOST_PIXELS, BLACK)
        assert np.array_equal(there.pixels, alone.pixels)
        assert alone.scan.document() == there.scan.document() | {"window": alone.scan.document()["window"]}
        assert (alone.scan.frame, alone.scan.frames) == (number, instance.frames)
        assert alone.mm_per_px == there.mm_per_px


@pytest.mark.parametrize("path", IMAGES.values(), ids=IMAGES)
def test_what_is_stored_is_the_picture_alone(path):
    picture = read(path)
    stored = without_metadata(path.read_bytes(), picture)
    assert stored.startswith(b"\x89PNG")
    assert np.array_equal(decode(stored, MOST_PIXELS, BLACK).pixels, picture.pixels)


@pytest.mark.parametrize("path", IMAGES.values(), ids=IMAGES)
def test_the_source_that_is_kept_has_all_but_pixels(path):
    kept = pydicom.dcmread(pydicom.filebase.DicomBytesIO(read(path).source))
    dataset = of_pydicom(path)
    for name in ("PatientName", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PixelSpacing"):
        assert kept.get(name) == dataset.get(name)
    assert not {"PixelData", "FloatPixelData"} & {each.keyword for each in kept}
    assert not [each for each in kept if each.tag.group & 0xFF00 == 0x6000]


@pytest.mark.parametrize("name", sorted(REFUSED["415"] | {each for each in FILES if without_pixels(each)}))
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
