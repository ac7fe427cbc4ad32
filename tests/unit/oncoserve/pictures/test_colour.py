"""Pictures with colour profiles."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from oncoserve.errors import ImageTooComplex
from oncoserve.pictures.png_jpeg import icc
from oncoserve.pictures.png_jpeg.icc import UnreadableProfileError, jpeg_segments_of, read_profile
from oncoserve.pictures.png_jpeg.scrub import without_metadata
from testbed.encoded_pictures import encoded, noise
from testbed.picture_files.icc_profiles import (
    D50_XY,
    P3_XY,
    PROPHOTO_XY,
    SRGB_XY,
    cmyk_profile,
    gamma_curve,
    grey_profile,
    profile,
    rgb_profile,
    srgb_curve,
)
from testbed.picture_files.raw_png import chunk, raw_png, wrong_chunk
from tests.unit.oncoserve.pictures.reading_files import codes, read

PLANTED = "DOE^JANE 1955-03-14"
P3 = rgb_profile(P3_XY, srgb_curve(), "Display P3")
PROPHOTO = rgb_profile(PROPHOTO_XY, gamma_curve(1.8), "ProPhoto RGB", white=D50_XY)
SRGB = rgb_profile(SRGB_XY, srgb_curve(), "My own")
BLACKENING = dict.fromkeys((b"rXYZ", b"gXYZ", b"bXYZ"), b"XYZ " + bytes(16))
PROFILES = {
    "P3": ("RGB", P3, "Display P3"),
    "ProPhoto": ("RGB", PROPHOTO, "ProPhoto RGB"),
    "grey": ("L", grey_profile(gamma_curve(1.0), "Gray Gamma"), "Gray Gamma"),
    "grey in RGB": ("L", rgb_profile(SRGB_XY, gamma_curve(1.0), "Linear"), "Linear"),
    "CMYK": ("CMYK", cmyk_profile("Press"), "Press"),
}
"""By a name for the test: the mode of pictures, the profile, and its description."""
KINDS = [(name, kind) for name in PROFILES for kind in ("PNG", "JPEG") if (name, kind) != ("CMYK", "PNG")]


def by_the_library(data, icc_profile):
    """What the colour library makes of the whole profile."""
    image = Image.open(io.BytesIO(data))
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
    if source.profile.xcolor_space.strip() == "RGB":
        image = image.convert("RGB")
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    return np.asarray(
        ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC, "RGB", flags=flags
        )
    )


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_colours_become_srgb_as_the_whole_profile_says(name, kind):
    mode, icc_profile, _ = PROFILES[name]
    data = encoded(noise((64, 300)).convert(mode), kind, icc_profile=icc_profile)
    picture = read(data)
    assert np.array_equal(picture.pixels, by_the_library(data, icc_profile))
    assert np.abs(picture.pixels.astype(int) - read(encoded(noise((64, 300)).convert(mode), kind)).pixels).max() > 20
    assert codes(picture) == []
    assert picture.reading.document()["profile"]["converted"]


def test_a_colour_whose_numbers_are_known():
    """Of Display P3, whose curve is that of sRGB, by the matrices of CSS Color 4 (section 18)."""
    to_xyz = np.array(((0.48657, 0.26567, 0.19822), (0.22897, 0.69174, 0.07929), (0.0, 0.04511, 1.04394)))
    to_srgb = np.array(((3.24097, -1.53738, -0.49861), (-0.96924, 1.87597, 0.04156), (0.05563, -0.20398, 1.05697)))
    sent = np.array((140, 90, 100))
    linear = to_srgb @ to_xyz @ (((sent / 255 + 0.055) / 1.055) ** 2.4)
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    picture = read(encoded(Image.new("RGB", (8, 8), tuple(map(int, sent))), icc_profile=P3))
    assert np.abs(picture.pixels[0, 0] - expected).max() <= 1
    assert np.abs(sent - expected).max() > 8


@pytest.mark.parametrize(
    "icc_profile",
    [SRGB, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()],
    ids=["ours", "the library's"],
)
def test_what_is_srgb_by_its_content_is_left_alone_and_not_stored(icc_profile):
    data = encoded(noise(), icc_profile=icc_profile)
    picture = read(data)
    assert np.array_equal(picture.pixels, np.asarray(noise()))
    assert not picture.reading.document()["profile"]["converted"]
    assert without_metadata(data, picture) == encoded(noise())


def test_transparency_is_laid_over_after_the_colours_are_right():
    layer = noise((64, 300))
    opaque = read(encoded(layer, icc_profile=P3)).pixels
    alpha = Image.fromarray(np.random.default_rng(5).choice(np.array([0, 255], np.uint8), (300, 64)))
    layer.putalpha(alpha)
    picture = read(encoded(layer, icc_profile=P3), "#123456")
    seen = np.asarray(alpha) == 255
    assert np.array_equal(picture.pixels[seen], opaque[seen])
    assert (picture.pixels[~seen] == (0x12, 0x34, 0x56)).all()


def test_sixteen_bits_and_a_profile():
    levels = np.asarray(noise((64, 300))).astype(int)
    with_profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(P3))
    deep, flat = read(raw_png(levels * 257, chunks=with_profile)), read(encoded(noise((64, 300)), icc_profile=P3))
    assert np.array_equal(deep.pixels, flat.pixels)
    assert (deep.reading.bits, deep.reading.converted) == (16, True)


# What is stored


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_the_stored_file_gives_the_same_pixels_and_none_of_the_profiles_words(name, kind):
    mode, icc_profile, description = PROFILES[name]
    assert description.encode("utf-16-be") in icc_profile
    data = encoded(noise((64, 300)).convert(mode), kind, icc_profile=icc_profile)
    before = read(data)
    clean = without_metadata(data, before)
    assert np.array_equal(read(clean).pixels, before.pixels)
    stored = Image.open(io.BytesIO(clean)).info["icc_profile"]
    assert b"desc" not in stored
    for text in (description.encode("utf-16-be"), description.encode()):
        assert text not in stored
    assert without_metadata(clean, read(clean)) == clean


def test_no_word_of_a_profile_is_stored_or_told():
    words = {b"cprt": b"text\0\0\0\0" + PLANTED.encode(), b"prvt": b"text\0\0\0\0" + PLANTED.encode()}
    icc_profile = bytearray(rgb_profile(P3_XY, srgb_curve(), PLANTED, tags=words))
    icc_profile[48:52] = icc_profile[80:84] = PLANTED[:4].encode()
    for kind, orientation in (("PNG", 1), ("JPEG", 1), ("JPEG", 6), ("PNG", 6)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = encoded(noise((60, 40)), kind, icc_profile=bytes(icc_profile), exif=exif)
        picture = read(data)
        clean = without_metadata(data, picture)
        stored = Image.open(io.BytesIO(clean))
        assert np.array_equal(read(clean).pixels, picture.pixels)
        for text in (PLANTED.encode(), PLANTED.encode("utf-16-be"), PLANTED[:4].encode()):
            assert text not in (stored.info.get("icc_profile") or b"")
            assert text not in clean
        assert picture.reading.converted
        assert picture.reading.document()["profile"]["name"] is None
        assert ("icc_profile" in stored.info) is (orientation == 1)


def test_a_profile_in_several_segments_in_any_order():
    large = rgb_profile(P3_XY, srgb_curve(), "x" * 50_000)
    plain = encoded(noise((64, 48)), "JPEG")
    segments = _segments(jpeg_segments_of(large))
    assert len(segments) > 1
    expected = read(encoded(noise((64, 48)), "JPEG", icc_profile=P3)).pixels
    for order in (segments, segments[::-1]):
        assert np.array_equal(read(plain[:2] + b"".join(order) + plain[2:]).pixels, expected)
    for broken in (segments[:1], [*segments, segments[0]]):
        picture = read(plain[:2] + b"".join(broken) + plain[2:])
        assert codes(picture) == ["profile_ignored"]
        assert np.array_equal(picture.pixels, read(plain).pixels)


def _segments(data):
    found = []
    while data:
        end = 2 + struct.unpack_from(">H", data, 2)[0]
        found.append(data[:end])
        data = data[end:]
    return found


# What cannot be used


@pytest.mark.parametrize(
    ("icc_profile", "reason"),
    [
        (b"", "no ICC profile"),
        (b"\0" * 200, "no ICC profile"),
        (P3[:140], "too early"),
        (P3[:300], "too early"),
        (cmyk_profile(), "for CMYK and the picture is RGB"),
        (grey_profile(gamma_curve(2.2)), "for grey and the picture is RGB"),
        (P3.replace(b"RGB ", b"Lab "), "another kind"),
        (P3.replace(b"mntr", b"link"), "not for pictures"),
        (P3[:128] + struct.pack(">I", 4000) + P3[132:], "4000 tags; the limit is 100"),
        (profile(b"RGB ", {}, "nothing in it"), "cannot be computed"),
        (profile(b"RGB ", {b"D2B0": b"mpet" + bytes(200)}, "a program"), "cannot be computed"),
        (rgb_profile(P3_XY, srgb_curve(), "x", tags=BLACKENING), "the same of all colours"),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_profile_that_cannot_be_used_is_told_and_the_colours_are_taken_as_srgb(icc_profile, reason, kind):
    data = encoded(noise(), kind)
    if kind == "PNG":
        data = data[:33] + chunk(b"iCCP", b"x\0\0" + zlib.compress(icc_profile)) + data[33:]
    else:
        data = data[:2] + (jpeg_segments_of(icc_profile) or jpeg_segments_of(b"x")) + data[2:]
    picture = read(data)
    assert codes(picture) == ["profile_ignored"]
    assert reason in picture.warnings[0].message
    assert np.array_equal(picture.pixels, read(encoded(noise(), kind)).pixels)
    clean = without_metadata(data, picture)
    assert "icc_profile" not in Image.open(io.BytesIO(clean)).info


def test_a_profile_that_is_no_zlib_data_is_told():
    data = encoded(noise())
    assert codes(read(data[:33] + chunk(b"iCCP", b"x\0\0" + b"abc") + data[33:])) == ["profile_ignored"]


def test_a_profile_that_is_left_out_for_its_checksum_is_told():
    data = encoded(noise())
    picture = read(data[:33] + wrong_chunk(b"iCCP", b"x\0\0" + zlib.compress(P3)) + data[33:])
    assert codes(picture) == ["profile_ignored"]
    assert np.array_equal(picture.pixels, np.asarray(noise()))


def test_programs_and_overlapping_tags_do_not_reach_the_colour_library():
    program = rgb_profile(P3_XY, srgb_curve(), "x", tags={b"D2B0": b"mpet" + bytes(100_000)})
    assert len(read_profile(program).essential) == len(read_profile(P3).essential)
    tables = [(b"A2B0", 200), (b"A2B1", 204), (b"A2B2", 208)]
    table = b"".join(struct.pack(">4sII", tag, start, 100_000) for tag, start in tables)
    data = P3[:128] + struct.pack(">I", 3) + table
    with pytest.raises(UnreadableProfileError, match="overlap"):
        read_profile(data + b"mft2" * 30_000)


def test_a_profile_larger_than_any_real_one_is_refused():
    data = encoded(noise(), "JPEG")
    large = jpeg_segments_of(bytes(icc.MAX_BYTES + 1))
    with pytest.raises(ImageTooComplex, match=f"{icc.MAX_BYTES + 1} bytes .* limit is {icc.MAX_BYTES}"):
        read(data[:2] + large + data[2:])


def test_damaged_profiles_do_no_harm():
    """Whatever single byte is wrong, there is a picture."""
    random = np.random.default_rng(3)
    for good, mode in ((P3, "RGB"), (cmyk_profile(), "CMYK"), (grey_profile(gamma_curve(2.2)), "L")):
        plain = encoded(noise((16, 16)).convert(mode), "JPEG")
        for _ in range(40):
            bad = bytearray(good)
            for place in random.integers(0, len(bad), 3):
                bad[place] = random.integers(256)
            data = plain[:2] + jpeg_segments_of(bytes(bad)) + plain[2:]
            picture = read(data)
            assert np.array_equal(read(without_metadata(data, picture)).pixels, picture.pixels)
