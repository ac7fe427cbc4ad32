import io

import numpy as np
import pytest
from PIL import Image

from oncoserve.errors import CorruptImage, EmptyUpload, ImageTooLarge, UnsupportedImage
from oncoserve.pictures.decode import decode, rgb_of, to_png
from oncoserve.pictures.kinds.sniffing import sniff
from testbed.encoded_pictures import BLUE, GREEN, RED, WHITE, encoded, noise, quarters
from testbed.picture_files.raw_png import png_header
from tests.unit.oncoserve.pictures.reading_files import codes

LIMIT = 10_000_000
BLACK = "#000000"


def corners(pixels):
    height, width = pixels.shape[:2]
    y, x = (height // 4, 3 * height // 4), (width // 4, 3 * width // 4)
    return [tuple(int(v) for v in pixels[a, b]) for a in y for b in x]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_rgb_is_decoded_as_pillow_does(kind):
    data = encoded(noise(), kind)
    picture = decode(data, LIMIT, BLACK)
    assert (picture.format, picture.turned, picture.warnings) == (kind, False, ())
    assert picture.pixels.dtype == np.uint8
    assert np.array_equal(picture.pixels, np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind, orientation):
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    lying = quarters() if orientation == 1 else quarters().transpose(turn[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    picture = decode(encoded(lying, kind, exif=exif, **options), LIMIT, BLACK)
    assert picture.turned is (orientation != 1)
    assert picture.pixels.shape == (48, 64, 3)
    for met, expected in zip(corners(picture.pixels), [RED, GREEN, BLUE, WHITE], strict=True):
        assert np.abs(np.subtract(met, expected)).max() < 8


def test_grey_is_repeated_on_all_channels():
    grey = noise().convert("L")
    picture = decode(encoded(grey), LIMIT, BLACK)
    assert np.array_equal(picture.pixels, np.dstack([np.asarray(grey)] * 3))
    assert codes(picture) == []


def test_one_bit_picture():
    picture = decode(encoded(quarters().convert("1")), LIMIT, BLACK)
    assert set(np.unique(picture.pixels)) == {0, 255}


def test_cmyk_jpeg():
    picture = decode(encoded(quarters().convert("CMYK"), "JPEG", quality=95), LIMIT, BLACK)
    assert codes(picture) == ["cmyk_converted"]
    for met, expected in zip(corners(picture.pixels), [RED, GREEN, BLUE, WHITE], strict=True):
        assert np.abs(np.subtract(met, expected)).max() < 12


def test_palette_picture():
    picture = decode(encoded(quarters().convert("P", palette=Image.Palette.ADAPTIVE)), LIMIT, BLACK)
    assert corners(picture.pixels) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(("background", "expected"), [("#000000", 127), ("#ffffff", 255)])
def test_transparency_is_laid_over_the_background(background, expected):
    layer = quarters().convert("RGBA")
    layer.putalpha(127)
    picture = decode(encoded(layer), LIMIT, background)
    assert codes(picture) == ["transparency_flattened"]
    assert abs(int(picture.pixels[0, 0, 0]) - expected) <= 1  # red channel of the red quarter


def test_palette_and_rgb_transparency_are_seen():
    palette = quarters().convert("P", palette=Image.Palette.ADAPTIVE)
    transparent = palette.getpixel((0, 0))
    assert codes(decode(encoded(palette, transparency=transparent), LIMIT, "#0000ff")) == ["transparency_flattened"]
    picture = decode(encoded(quarters(), transparency=RED), LIMIT, "#0000ff")
    assert corners(picture.pixels) == [BLUE, GREEN, BLUE, WHITE]


def test_opaque_alpha_is_no_warning():
    assert codes(decode(encoded(quarters().convert("RGBA")), LIMIT, BLACK)) == []


def test_empty():
    with pytest.raises(EmptyUpload):
        decode(b"", LIMIT, BLACK)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (encoded(noise(), "GIF"), "GIF"),
        (encoded(noise(), "WEBP"), "WebP"),
        (encoded(noise(), "TIFF"), "TIFF"),
        (encoded(noise(), "BMP"), "BMP"),
        (b"glioma,0.9\n" * 20, "text"),
        (b"%PDF-1.7", "PDF"),
        (bytes(range(256)), "unknown"),
        (b"\x89PNG\r\n", "unknown"),
    ],
)
def test_other_content_is_named(data, found):
    with pytest.raises(UnsupportedImage, match=found):
        sniff(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.9])
def test_truncated(kind, kept):
    data = encoded(noise((200, 200)), kind)
    with pytest.raises(CorruptImage):
        decode(data[: int(len(data) * kept)], LIMIT, BLACK)


def test_flipped_bytes_in_the_header():
    data = bytearray(encoded(noise()))
    data[20] ^= 0xFF
    with pytest.raises((CorruptImage, ImageTooLarge)):
        decode(bytes(data), LIMIT, BLACK)


def test_too_many_pixels_are_refused_from_the_header():
    with pytest.raises(ImageTooLarge, match=r"30000 x 30000 = 900000000 pixels; the limit is 10000000"):
        decode(png_header(30_000, 30_000), LIMIT, BLACK)


def test_exactly_the_limit_is_taken():
    data = encoded(noise((100, 50)))
    assert decode(data, 5000, BLACK).pixels.shape == (50, 100, 3)
    with pytest.raises(ImageTooLarge):
        decode(data, 4999, BLACK)


def test_png_carries_the_given_text_and_nothing_else():
    image = Image.open(io.BytesIO(to_png(quarters(), {"Description": "for research only, ä"})))
    assert image.info == {"Description": "for research only, ä"}
    assert image.size == (64, 48)


def test_rgb_of():
    assert rgb_of("#d55e00") == (0xD5, 0x5E, 0)
