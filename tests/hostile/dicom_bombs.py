"""DICOM files that are small to send and dear to open, each of another kind."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from testbed.picture_files.dicom_files import mr_slice

SLICE = np.full((16, 16), 7, np.uint16)
PIXELS = b"\xe0\x7f\x10\x00"
ITEM = b"\xfe\xff\x00\xe0"


def with_tags(**tags):
    return mr_slice(SLICE, **tags)


def element(group, number, vr, value):
    return struct.pack("<HH2sxxI", group, number, vr, len(value)) + value


def before_pixels(data, more):
    at = data.rindex(PIXELS)
    return data[:at] + more + data[at:]


def implicit(group, number, vr, value):
    del vr
    return struct.pack("<HHI", group, number, len(value)) + value


def nested(depth, element=element):
    inner = b""
    for _ in range(depth):
        item = ITEM + struct.pack("<I", len(inner)) + inner
        inner = element(0x0008, 0x2112, b"SQ", item)
    return inner


def deflated(more):
    """A file in deflated explicit little endian, whose dataset has so much in front of its pixels."""
    plain = with_tags()
    dataset = pydicom.dcmread(io.BytesIO(plain))
    start = plain.index(b"\x08\x00\x05\x00") if b"\x08\x00\x05\x00" in plain else plain.index(b"\x08\x00\x16\x00")
    body = before_pixels(plain[start:], more)
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    head = io.BytesIO()
    pydicom.filewriter.write_file_meta_info(head, dataset.file_meta)
    press = zlib.compressobj(9, wbits=-15)
    return bytes(128) + b"DICM" + head.getvalue() + press.compress(body) + press.flush()


def compressed(name, items):
    """A file with these items in place of its compressed pixels."""
    data = Path(str(get_testdata_file(name))).read_bytes()
    at = data.rindex(PIXELS)
    return data[: at + 12] + items + b"\xfe\xff\xdd\xe0\0\0\0\0"


def j2k_of(width, height):
    """JPEG 2000 whose code stream states another size than the header."""
    data = bytearray(Path(str(get_testdata_file("MR_small_jp2klossless.dcm"))).read_bytes())
    at = data.index(b"\xff\x4f\xff\x51") + 8
    struct.pack_into(">II", data, at, width, height)
    return bytes(data)


def groups_without_end(count):
    dataset = Dataset()
    dataset.PerFrameFunctionalGroupsSequence = Sequence([Dataset() for _ in range(count)])
    return with_tags(PerFrameFunctionalGroupsSequence=dataset.PerFrameFunctionalGroupsSequence)


IMPLICIT = Path(str(get_testdata_file("MR_small_implicit.dcm"))).read_bytes()
COMPLEX, LARGE, CORRUPT = "image_too_complex", "image_too_large", "corrupt_image"
REFUSED = {
    "the largest size": (with_tags(Rows=65535, Columns=65535), LARGE),
    "2 billion frames, and one is there": (with_tags(NumberOfFrames=2**31 - 1), CORRUPT),
    "sequences in sequences, 2,000 deep": (before_pixels(with_tags(), nested(2000)), COMPLEX),
    "the same, in implicit VR": (before_pixels(IMPLICIT, nested(2000, implicit)), COMPLEX),
    "a header of 17 MiB": (before_pixels(with_tags(), element(0x0029, 0x1000, b"OB", bytes(17 * 2**20))), COMPLEX),
    "300,000 empty items": (
        before_pixels(with_tags(), element(0x0008, 0x2112, b"SQ", (ITEM + bytes(4)) * 300_000)),
        COMPLEX,
    ),
    "a million elements": (
        before_pixels(
            with_tags(),
            b"".join(struct.pack("<HH2sHI", 0x0029, number & 0xFFFF, b"UL", 4, 1) for number in range(600_000)),
        ),
        COMPLEX,
    ),
    "half a gigabyte deflated": (deflated(element(0x0029, 0x1000, b"OB", bytes(200_000_000))), COMPLEX),
    "a million items of pixels": (compressed("MR_small_jp2klossless.dcm", (ITEM + bytes(4)) * 1_000_000), COMPLEX),
    "JPEG 2000 of 4 gigapixels": (j2k_of(65535, 65535), CORRUPT),
}
