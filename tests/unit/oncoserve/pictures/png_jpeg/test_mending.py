"""Damaged files: what only describes a picture is passed over, what its pixels come from is not."""

import itertools
import random
import struct
import zlib
from contextlib import nullcontext

import numpy as np
import pytest

from loadtest.fuzz.mutants import mutants
from oncoserve.errors import CorruptImage, PlatformError, UnsupportedImage
from oncoserve.pictures.decode import decode, read_header
from oncoserve.pictures.png_jpeg.mending import check_rows, mended
from oncoserve.pictures.png_jpeg.scrub import without_metadata
from testbed.encoded_pictures import encoded, noise
from testbed.http_callers import FOREIGN_WORDS
from testbed.picture_files.raw_jpeg import segment
from testbed.picture_files.raw_png import ADAM7, chunk, wrong_chunk

LIMIT, BLACK = 10**7, "#000000"
RGB = noise((60, 40))
PNG, JPEG, PALETTE = encoded(RGB), encoded(RGB, "JPEG"), encoded(RGB.quantize(16))


HEADER, IDAT, IEND = PNG[16:29], PNG[33:-12], PNG[-12:]
ROWS = zlib.decompress(IDAT[8:-4])
TIFF = b"MM\0*\0\0\0\x08\0\0\0\0\0\0"
RESOLUTION = struct.pack(">IIB", 3937, 3937, 1)
PROFILE = b"name\0\0" + zlib.compress(b"profile")


def png(*before, header=HEADER, data=IDAT, after=(), end=IEND):
    return PNG[:8] + b"".join([chunk(b"IHDR", header), *before, data, *after, end])


def with_palette(*after, palette=None):
    at = PALETTE.index(b"PLTE") - 4
    end = at + 12 + int.from_bytes(PALETTE[at : at + 4])
    return PALETTE[:at] + (PALETTE[at:end] if palette is None else palette) + b"".join(after) + PALETTE[end:]


DESCRIPTIONS = [
    (b"tEXt", b"Comment\0a"), (b"zTXt", b"Comment\0\0" + zlib.compress(b"a")), (b"iTXt", b"Comment\0\0\0\0\0a"),
    (b"iCCP", PROFILE), (b"pHYs", RESOLUTION), (b"gAMA", bytes(4)), (b"cHRM", bytes(32)), (b"sRGB", b"\0"),
    (b"eXIf", TIFF), (b"tRNS", bytes(6)), (b"bKGD", bytes(6)), (b"tIME", bytes(7)), (b"prVt", b"private"),
]  # fmt: skip
SENSELESS = [
    (b"zTXt", b"Comment\0\1a"), (b"zTXt", b"Comment"), (b"iCCP", b"name\0\1a"), (b"iCCP", b"name"), (b"iCCP", b""),
    (b"pHYs", b"1234"), (b"pHYs", bytes(9)), (b"pHYs", b"\xff" * 8 + b"\1"), (b"pHYs", RESOLUTION[:8] + b"\7"),
    (b"gAMA", b""), (b"cHRM", b"1"), (b"sRGB", b""), (b"tRNS", b"12"), (b"eXIf", b"junk"), (b"eXIf", b""),
    (b"tEXt", "名前\0値".encode()), (b"iTXt", b"a\0\0\0\0\0\xff\xfe"), (b"tEXt", b""),
    (b"acTL", b""), (b"fcTL", bytes(26)), (b"fdAT", b"1"),
]  # fmt: skip


@pytest.mark.parametrize(
    "description", [wrong_chunk(*each) for each in DESCRIPTIONS] + [chunk(*each) for each in SENSELESS]
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_what_only_describes_a_png_does_not_matter(description, place):
    data = png(description) if place == "before" else png(after=[description])
    picture = decode(data, LIMIT, BLACK)
    assert np.array_equal(picture.pixels, np.asarray(RGB))
    assert np.array_equal(decode(without_metadata(data, picture), LIMIT, BLACK).pixels, picture.pixels)


@pytest.mark.parametrize("description", DESCRIPTIONS)
def test_what_is_sound_is_left_where_it_is(description):
    data = png(chunk(*description))
    assert mended(data, "PNG") is data


def test_a_sound_jpeg_is_left_as_it_is():
    assert mended(JPEG, "JPEG") is JPEG


def test_a_wrong_transparency_makes_nothing_transparent_now_or_later():
    plain = decode(PALETTE, LIMIT, "#123456").pixels
    data = with_palette(wrong_chunk(b"tRNS", bytes(16)))
    picture = decode(data, LIMIT, "#123456")
    assert np.array_equal(picture.pixels, plain)
    assert np.array_equal(decode(without_metadata(data, picture), LIMIT, "#123456").pixels, plain)


@pytest.mark.parametrize(
    "data",
    [png(end=b""), png(end=b"")[:-4], png(end=IEND[:-4]), png(end=wrong_chunk(b"IEND", b"")), PNG + b"junk" * 99,
     PNG + PNG, png(data=chunk(b"IDAT") + IDAT + chunk(b"IDAT")), png(data=chunk(b"IDAT", zlib.compress(ROWS)[:-4])),
     png(data=chunk(b"IDAT", zlib.compress(ROWS + ROWS))), png(wrong_chunk(b"PLTE", bytes(9)))],
)  # fmt: skip
def test_a_png_that_is_whole_in_spite_of_it_is_read(data):
    assert np.array_equal(decode(data, LIMIT, BLACK).pixels, np.asarray(RGB))


@pytest.mark.parametrize(
    "extra",
    [segment(0xE0, b"JFIF\0"), segment(0xEE, b"Adobe\0"), segment(0xE2, b"ICC_PROFILE\0"),
     segment(0xE2, b"ICC_PROFILE\0\1\2half"), segment(0xE1, b"Exif\0\0junk"), segment(0xE1, b"Exif\0\0"),
     segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\1\0\x69\x87\4\0\1\0\0\0\x08\0\0\0\x08\0\0\0"), segment(0xE2, b"MPF\0junk"),
     segment(0xED, b"Photoshop 3.0\x008BIM\3\xed\0\0\0\0\0\0"), segment(0xFE, b"\xff\xd8\xff\xd9"), b"\xff" * 9,
     segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x"), segment(0xE5, b"", 0), segment(0xE5, b"ab", 5)],
)  # fmt: skip
def test_what_only_describes_a_jpeg_does_not_matter(extra):
    data = JPEG[:2] + extra + JPEG[2:] + b"behind"
    picture = decode(data, LIMIT, BLACK)
    assert np.array_equal(picture.pixels, decode(JPEG, LIMIT, BLACK).pixels)
    assert np.array_equal(decode(without_metadata(data, picture), LIMIT, BLACK).pixels, picture.pixels)


def test_a_jpeg_of_0_dots_per_inch():
    data = JPEG[:2] + segment(0xE0, b"JFIF\0\1\1\1" + bytes(6)) + JPEG[20:]
    assert decode(data, LIMIT, BLACK).pixels.shape == (40, 60, 3)


def test_a_jpeg_without_its_end_is_read_and_one_that_was_cut_off_is_not():
    whole = decode(JPEG, LIMIT, BLACK).pixels
    thumbnail = segment(0xE1, b"Exif\0\0" + JPEG)  # has an end of its own
    for data in (JPEG[:-2], JPEG[:2] + thumbnail + JPEG[2:-2]):
        picture = decode(data, LIMIT, BLACK)
        assert np.array_equal(picture.pixels, whole)
        assert np.array_equal(decode(without_metadata(data, picture), LIMIT, BLACK).pixels, whole)
    for cut in (200, len(JPEG) // 3):
        with pytest.raises(CorruptImage, match="ends before"):
            decode(JPEG[:-cut], LIMIT, BLACK)


def changed(at, *values):
    return HEADER[:at] + bytes(values) + HEADER[at + len(values) :]


def frame(at, *values):
    start = JPEG.index(b"\xff\xc0") + at
    return JPEG[:start] + bytes(values) + JPEG[start + len(values) :]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (png(data=wrong_chunk(b"IDAT", IDAT[8:-4])), "checksum of its image data"),
        (PNG[:29] + b"\0\0\0\0" + PNG[33:], "checksum of its header"),
        (with_palette(palette=wrong_chunk(b"PLTE", bytes(48))), "checksum of its palette"),
        (png(wrong_chunk(b"PRVt", b"x")), "checksum of a part that it needs"),
        (with_palette(palette=chunk(b"PLTE", b"")), "palette has no colours"),
        (with_palette(palette=b""), "no palette"),
        (png(data=b""), "no image data"),
        (png(data=chunk(b"IDAT", b"")), "ends before"),
        (PNG[:33], "no image data"),
        (PNG[:8], "no image data"),
        (PNG[: len(PNG) // 2], "ends before"),
        (png(data=chunk(b"IDAT", zlib.compress(ROWS[: 181 * 20]))), "ends after 3620 of 7240 bytes"),
        (png(data=chunk(b"IDAT", zlib.compress(ROWS[:-1]))), "ends before"),
        (png(data=chunk(b"IDAT", zlib.compress(b"\x09" + ROWS[1:]))), "image data cannot be read"),
        (png(header=changed(9, 1)), "colour type 1 with 8 bits"),
        (png(header=changed(8, 3)), "colour type 2 with 3 bits"),
        (png(header=changed(0, 0, 0, 0, 0)), "0 x 40 pixels"),
        (png(header=HEADER[:9]), "9 bytes instead of 13"),
        (png(header=changed(12, 2)), "interlacing"),
        (JPEG[: len(JPEG) // 2], "ends before"),
        (JPEG[:100], "ends before"),
        (frame(5, 0, 0), "60 x 0 pixels"),
        (frame(4, 9), "9 bits"),
        (b"\xff\xd8" + JPEG, "cannot be read"),
    ],
)
def test_what_the_pixels_need_is_told_in_our_words(data, says):
    with pytest.raises(CorruptImage, match=says) as refused:
        decode(data, LIMIT, BLACK)
    assert FOREIGN_WORDS.search(refused.value.detail) is None


@pytest.mark.parametrize("columns", [1, 3, 60])
@pytest.mark.parametrize(("depth", "colour", "channels"), [(1, 0, 1), (8, 0, 1), (16, 0, 1), (8, 2, 3), (16, 2, 3),
                                                            (8, 4, 2), (16, 4, 2), (8, 6, 4), (16, 6, 4)])  # fmt: skip
@pytest.mark.parametrize("interlaced", [0, 1])
def test_a_black_picture_is_whole_and_one_row_less_is_not(columns, depth, colour, channels, interlaced):
    """The rows that a PNG's data ends before are black in Pillow, so black ones are counted."""
    header = struct.pack(">IIBBBBB", columns, 7, depth, colour, 0, 0, interlaced)
    passes = [(len(range(x, columns, dx)), len(range(y, 7, dy))) for x, y, dx, dy in ADAM7]
    size = sum(
        rows * (1 + (wide * depth * channels + 7) // 8)
        for wide, rows in (passes if interlaced else [(columns, 7)])
        if wide
    )
    row = 1 + (columns * depth * channels + 7) // 8
    assert not decode(png(header=header, data=chunk(b"IDAT", zlib.compress(bytes(size)))), LIMIT, BLACK).pixels.any()
    with pytest.raises(CorruptImage):
        decode(png(header=header, data=chunk(b"IDAT", zlib.compress(bytes(size - row)))), LIMIT, BLACK)


def test_a_damaged_file_is_copied_once_and_cleaned_from_that_copy():
    damaged = png(wrong_chunk(b"tEXt", b"Comment\0DOE"))
    header = read_header(damaged, LIMIT)
    picture = header.decode(BLACK)
    assert header.decoding_bytes - read_header(PNG, LIMIT).decoding_bytes == len(header.data) < len(damaged)
    assert mended(header.data, "PNG") is header.data
    assert without_metadata(header.data, picture) == without_metadata(damaged, picture)


@pytest.mark.parametrize("size", [1000, 2**16 - 1, 2**16, 2**30])
def test_rows_are_counted_through_chunks_of_any_size(size):
    header = struct.pack(">IIBBBBB", 300, 300, 8, 2, 0, 0, 0)
    row = b"\0" + np.random.default_rng(0).bytes(900)
    for rows, whole in ((299, True), (298, False)):
        packed = zlib.compress(row * rows + bytes(901), 0)
        parts = [packed[at : at + size] for at in range(0, len(packed), size)]
        data = png(header=header, data=b"".join(chunk(b"IDAT", part) for part in parts))
        with nullcontext() if whole else pytest.raises(CorruptImage, match="269399 of 270300"):
            check_rows(data)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (frame(4, 12), "a JPEG of 12 bits"),
        (frame(1, 0xC1, *frame(0)[JPEG.index(b"\xff\xc0") + 2 :][:2], 12), "a JPEG of 12 bits"),
        (frame(1, 0xC3, *JPEG[JPEG.index(b"\xff\xc0") + 2 :][:2], 16), "a lossless JPEG of 16 bits"),
        (frame(1, 0xC5), "hierarchical"),
        (frame(1, 0xCB), "arithmetic coding"),
        (frame(1, 0xF7), "JPEG-LS"),
        (frame(9, 2), "JPEG of 2 channels"),
        (PNG[:8] + chunk(b"CgBI", bytes(4)) + PNG[8:], "CgBI"),
    ],
)
def test_varieties_that_are_not_read_are_not_called_damaged(data, found):
    with pytest.raises(UnsupportedImage, match=found) as refused:
        decode(data, LIMIT, BLACK)
    assert "this kind is not supported" in refused.value.detail


def test_no_damage_speaks_with_the_words_of_a_library():
    refused = []
    for mutant in itertools.chain(mutants(11, 1500), _cut(random.Random(3))):  # noqa: S311 - the same again is wanted
        try:
            decode(getattr(mutant, "data", mutant), LIMIT, BLACK)
        except PlatformError as error:
            refused.append(error.detail)
    assert len(set(refused)) > 20
    assert [each for each in refused if FOREIGN_WORDS.search(each)] == []


def _cut(chance):
    for data in (PNG, JPEG, PALETTE):
        for _ in range(50):
            yield data[: chance.randrange(1, len(data))]
