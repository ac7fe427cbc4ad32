"""Frames of one instance, each as a file of its own: cutting out one leaves the others as they were."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from oncoserve.pictures.decode import read_header
from oncoserve.pictures.dicom.instance import read_instance
from oncoserve.pictures.dicom.one_frame import frame_of
from oncoserve.pictures.dicom.scan import scan_of
from testbed.encoded_pictures import scan
from testbed.picture_files.dicom_files import enhanced_mr

MAX_PIXELS = 10**8
FRAMES = [np.asarray(scan((40, 32), seed)) for seed in range(4)]


def with_undefined_lengths(data):
    """As many scanners write sequences; a reader then has them as objects, not as bytes."""
    found = pydicom.dcmread(io.BytesIO(data))
    for keyword in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        found[keyword].is_undefined_length = True
    buffer = io.BytesIO()
    found.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("looked_at", [False, True], ids=["", "looked at before"])
@pytest.mark.parametrize("write", [bytes, with_undefined_lengths])
def test_each_frame_keeps_its_place_and_its_pixels(write, looked_at):
    instance = read_instance(write(enhanced_mr(FRAMES)), MAX_PIXELS)
    if looked_at:
        assert scan_of(instance, 1, chosen=True).position_mm == 3
    for number, pixels in enumerate(FRAMES, 1):
        header = read_header(frame_of(instance, number), MAX_PIXELS)
        assert (header.scan.frame, header.scan.frames) == (number, 4)
        assert header.scan.position_mm == 3 + 5 * (number - 1)
        picture = header.decode("#000000")
        assert np.abs(picture.pixels[..., 0].astype(int) - pixels).max() <= 1
    assert instance.dataset.NumberOfFrames == 4


@pytest.mark.parametrize("name", ["SC_rgb_expb_2frame.dcm", "SC_rgb_expb_16bit_2frame.dcm"])
def test_big_endian_frames_are_the_same_however_often_they_are_cut_out(name):
    instance = read_instance(Path(get_testdata_file(name)).read_bytes(), MAX_PIXELS)
    scan_of(instance, 1, chosen=True)
    first, again = frame_of(instance, 2), frame_of(instance, 2)
    assert first == again
    expected = pydicom.dcmread(get_testdata_file(name)).pixel_array[1]
    assert np.array_equal(pydicom.dcmread(io.BytesIO(first)).pixel_array, expected)
