import io

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from oncoserve.pictures.decode import decode
from oncoserve.pictures.png_jpeg.scrub import without_metadata
from testbed.encoded_pictures import encoded, noise, quarters
from testbed.picture_files.raw_jpeg import segment
from testbed.picture_files.raw_png import chunk

PLANTED = "DOE^JANE 1955-03-14"
LIMIT, BLACK = 10**7, "#000000"


def planted_exif(orientation=1):
    exif = Image.Exif()
    exif[0x010E] = PLANTED
    exif[0x0112] = orientation
    return exif


def planted_jpeg(orientation=1, **options):
    icc = b"\0" * 100 + PLANTED.encode()
    data = encoded(
        noise((300, 200)), "JPEG", exif=planted_exif(orientation), comment=PLANTED.encode(), icc_profile=icc, **options
    )
    return data + PLANTED.encode()


def planted_png(orientation=1):
    info = PngInfo()
    info.add_text("Patient", PLANTED)
    info.add_itxt("Name", PLANTED)
    data = encoded(noise((300, 200)), pnginfo=info, exif=planted_exif(orientation))
    return data[:33] + chunk(b"prVt", PLANTED.encode()) + data[33:] + PLANTED.encode()


@pytest.mark.parametrize(
    "data",
    [planted_jpeg(), planted_jpeg(progressive=True), planted_jpeg(restart_marker_blocks=4), planted_png(),
     planted_jpeg(6), planted_png(8)],
    ids=["jpeg", "progressive", "restart", "png", "turned-jpeg", "turned-png"],
)  # fmt: skip
def test_pixels_stay_and_identifiers_go(data):
    assert PLANTED.encode() in data
    before = decode(data, LIMIT, BLACK)
    clean = without_metadata(data, before)
    after = decode(clean, LIMIT, BLACK)
    assert np.array_equal(before.pixels, after.pixels)
    assert not after.turned
    assert PLANTED.encode() not in clean
    assert Image.open(io.BytesIO(clean)).getexif().get(0x010E) is None


@pytest.mark.parametrize(
    "planted",
    [*(segment(0xE0 + number, PLANTED.encode()) for number in range(16)),
     segment(0xE0, b"JFXX\0" + PLANTED.encode()),
     segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\1\7" + PLANTED.encode() + b"!!"),  # a thumbnail of 1 x 7
     segment(0xEE, b"Adobe\0\x64\0\0\0\0\1" + PLANTED.encode()),
     segment(0xED, b"Photoshop 3.0\08BIM\4\4" + PLANTED.encode()),
     segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + PLANTED.encode()),
     segment(0xFE, PLANTED.encode()), segment(0xDC, PLANTED.encode())],
)  # fmt: skip
@pytest.mark.parametrize("turned", [False, True])
def test_every_kind_of_segment_that_can_hold_words_goes(planted, turned):
    plain = encoded(noise((60, 40)), "JPEG", exif=planted_exif(6 if turned else 1))
    data = plain[:2] + planted + plain[2:]
    before = decode(data, LIMIT, BLACK)
    clean = without_metadata(data, before)
    assert PLANTED.encode() not in clean
    assert clean.startswith(b"\x89PNG") is turned
    assert np.array_equal(decode(clean, LIMIT, BLACK).pixels, before.pixels)


@pytest.mark.parametrize("where", ["IHDR", "IEND", "tRNS"])
def test_chunks_that_the_pixels_need_hold_nothing_else(where):
    data = encoded(noise((60, 40)))
    if where == "IHDR":
        data = data[:8] + chunk(b"IHDR", data[16:29] + PLANTED.encode()) + data[33:]
    elif where == "IEND":
        data = data[:-12] + chunk(b"IEND", PLANTED.encode())
    else:
        data = data[:33] + chunk(b"tRNS", b"\0\1\0\2\0\3" + 250 * b"\0" + PLANTED.encode()) + data[33:]
    before = decode(data, LIMIT, BLACK)
    clean = without_metadata(data, before)
    assert PLANTED.encode() not in clean
    assert np.array_equal(decode(clean, LIMIT, BLACK).pixels, before.pixels)


def test_compressed_data_is_copied_not_encoded_again():
    data = encoded(noise((300, 200)), "JPEG", quality=80)
    assert without_metadata(data, decode(data, LIMIT, BLACK)) == data


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_other_jpeg_colours_keep_their_meaning(mode):
    data = encoded(quarters().convert(mode), "JPEG")
    picture = decode(data, LIMIT, BLACK)
    assert np.array_equal(decode(without_metadata(data, picture), LIMIT, BLACK).pixels, picture.pixels)


def test_palette_transparency_is_kept():
    data = encoded(quarters().convert("P", palette=Image.Palette.ADAPTIVE), transparency=0)
    picture = decode(data, LIMIT, "#123456")
    assert np.array_equal(decode(without_metadata(data, picture), LIMIT, "#123456").pixels, picture.pixels)


def test_a_jpeg_without_its_last_marker_is_encoded_anew():
    data = encoded(noise((300, 200)), "JPEG")[:-2] + PLANTED.encode()
    picture = decode(data, LIMIT, BLACK)
    clean = without_metadata(data, picture)
    assert clean.startswith(b"\x89PNG")
    assert PLANTED.encode() not in clean
    assert np.array_equal(decode(clean, LIMIT, BLACK).pixels, picture.pixels)
