"""Pictures in CMYK, and files that state their colours or their bits in other ways than by a profile."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageChops

from oncoserve.pictures.png_jpeg.parts import png_chunk
from oncoserve.pictures.png_jpeg.scrub import without_metadata
from testbed.encoded_pictures import encoded, noise, quarters
from testbed.picture_files.icc_profiles import cmyk_profile
from testbed.picture_files.raw_png import chunk, raw_png
from tests.unit.oncoserve.pictures.reading_files import codes, read

PLANTED = "DOE^JANE 1955-03-14"


def without_adobe(data):
    """The same file without the marker that says that its inks are stored as their opposites."""
    start = data.index(b"\xff\xee")
    return data[:start] + data[start + 2 + struct.unpack_from(">H", data, start + 2)[0] :]


@pytest.mark.parametrize("icc_profile", [None, cmyk_profile()], ids=["plain", "profile"])
def test_inks_are_opposites_only_where_the_adobe_marker_says_so(icc_profile):
    inks = quarters((64, 300)).convert("CMYK")
    options = {"quality": 95} | ({"icc_profile": icc_profile} if icc_profile else {})
    marked = read(encoded(inks, "JPEG", **options))
    # Pillow writes the opposite of what it is given, and the marker with it.
    data = without_adobe(encoded(ImageChops.invert(inks), "JPEG", **options))
    unmarked = read(data)
    assert np.abs(unmarked.pixels.astype(int) - marked.pixels).max() <= 4
    assert codes(marked) == codes(unmarked) == ([] if icc_profile else ["cmyk_converted"])
    assert np.array_equal(read(without_metadata(data, unmarked)).pixels, unmarked.pixels)


def test_ycck_is_read_as_its_marker_says():
    """Four samples of which three are a transformed colour: what the library gives is CMYK."""
    data = bytearray(encoded(Image.new("CMYK", (32, 32), (0, 0, 0, 60)), "JPEG", quality=100))
    place = data.index(b"Adobe") + 11
    data[place] = 2
    # Stored are the opposites 255, 255, 255, 195; as Y, Cb, Cr they are a colour far from grey.
    picture = read(bytes(data))
    reference = np.asarray(Image.open(io.BytesIO(bytes(data))).convert("RGB"))
    assert np.array_equal(picture.pixels, reference)
    assert np.array_equal(read(without_metadata(bytes(data), picture)).pixels, picture.pixels)


@pytest.mark.parametrize(
    ("chunks", "told"),
    [
        (chunk(b"gAMA", struct.pack(">I", 45455)), None),
        (chunk(b"gAMA", struct.pack(">I", 100_000)), "gAMA"),
        (chunk(b"sRGB", b"\0") + chunk(b"gAMA", struct.pack(">I", 100_000)), None),
        (chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)), None),
        (chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)), "cHRM"),
        (chunk(b"cICP", bytes((1, 13, 0, 1))), None),
        (chunk(b"cICP", bytes((9, 16, 0, 1))), "cICP"),
    ],
)
def test_colours_that_are_stated_otherwise_are_told(chunks, told):
    data = encoded(noise())
    picture = read(data[:33] + chunks + data[33:])
    assert codes(picture) == (["colours_not_converted"] if told else [])
    assert all(f"{told} chunk" in each.message for each in picture.warnings)
    assert np.array_equal(picture.pixels, np.asarray(noise()))


def test_bits_that_matter_are_kept_in_the_stored_file():
    levels = np.random.default_rng(0).integers(0, 2800, (60, 40, 3))
    data = raw_png(levels, chunks=chunk(b"sBIT", b"\x0c\x0c\x0c") + chunk(b"tEXt", b"a\0" + PLANTED.encode()))
    picture = read(data)
    clean = without_metadata(data, picture)
    assert picture.reading.scaled_from == (0, 4095)
    assert png_chunk(clean, b"sBIT") == b"\x0c\x0c\x0c"
    assert PLANTED.encode() not in clean
    assert np.array_equal(read(clean).pixels, picture.pixels)
