"""Files with 16 bits a sample: every kind, filter and order of rows, and the rule by which they become 8 bits."""

import struct

import numpy as np
import pytest

from oncoserve.pictures.png_jpeg.sixteen_bits import FULL, choose
from oncoserve.pictures.rgb import READING_RULES
from testbed.encoded_pictures import BLUE, encoded, quarters
from testbed.picture_files.raw_png import chunk, raw_png
from tests.unit.oncoserve.pictures.reading_files import codes, read


def samples(top, channels=1, low=0, size=(40, 53)):
    """Random ones; the highest and the lowest are there."""
    made = np.random.default_rng(channels).integers(low, top + 1, (*size, channels))
    made[0, 0], made[0, 1] = low, top
    return made


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("filter_type", [0, 1, 2, 3, 4, None])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_kind_of_file_is_read_with_all_its_bits(channels, filter_type, interlaced):
    found = samples(1500, channels)
    if channels in {2, 4}:
        found[..., -1] = FULL
    picture = read(raw_png(found, filter_type=filter_type, interlaced=interlaced))
    colours = found[..., : 1 if channels < 3 else 3]
    assert np.abs(picture.pixels - colours * 255 / 1500).max() <= 0.5
    assert codes(picture) == ["sixteen_bit_windowed"]
    assert picture.reading.document()["bits"] == 16
    assert picture.reading.document()["scaled_from"] == [0, 1500]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_full_range_is_scaled_as_it_is(channels):
    found = samples(40_000, channels)
    picture = read(raw_png(found))
    assert np.abs(picture.pixels - found / 257).max() <= 0.5
    assert codes(picture) == ["sixteen_bit_scaled"]
    assert picture.reading.scaled_from == (0, FULL)
    assert "0-40000" in picture.warnings[0].message


@pytest.mark.parametrize("factor", [256, 257])
def test_eight_bits_in_sixteen_are_those_eight_however_dark(factor):
    dark = samples(90)
    picture = read(raw_png(dark * factor))
    assert np.array_equal(picture.pixels[..., :1], dark)
    assert codes(picture) == ["sixteen_bit_scaled"]


def test_an_offset_goes_where_there_is_one_channel_and_stays_in_colours():
    grey, colours = samples(2500, low=1000), samples(4000, 3, low=1000)
    assert np.abs(read(raw_png(grey)).pixels[..., :1] - (grey - 1000) * 255 / 1500).max() <= 0.5
    assert np.abs(read(raw_png(colours)).pixels - colours * 255 / 4095).max() <= 0.5


def test_grey_in_three_channels_is_grey():
    grey = samples(2500, low=1000)
    assert np.array_equal(read(raw_png(np.repeat(grey, 3, axis=2))).pixels, read(raw_png(grey)).pixels)


def test_an_offset_beyond_half_of_the_range_is_no_full_range():
    grey = samples(34_000, low=31_000)
    assert read(raw_png(grey)).reading.scaled_from == (31_000, 34_000)


@pytest.mark.parametrize("top", [FULL, 6000])
def test_a_few_samples_far_away_do_not_decide(top):
    """Such as defects of a sensor, or a name burned into the picture at full brightness."""
    found = samples(1500, size=(100, 100))
    found[50, :90] = top
    picture = read(raw_png(found))
    assert picture.reading.scaled_from == (0, 1500)
    assert (picture.pixels[50, :90] == 255).all()
    assert np.abs(picture.pixels - found * 255 / 1500)[51:].max() <= 0.5


@pytest.mark.parametrize("value", [0, 3, 1500, 40_000])
def test_without_contrast_nothing_is_made_of_it(value):
    picture = read(raw_png(samples(value + 5, low=value)))
    assert picture.reading.scaled_from == (0, FULL)
    assert np.ptp(picture.pixels) <= 1


@pytest.mark.parametrize(
    ("top", "significant", "expected"),
    [
        (1000, None, 1023),
        (3300, None, 4095),
        (2800, None, 2800),
        (2800, 12, 4095),
        (900, 14, 16383),
        (20_000, 12, 20_000),
    ],
)
def test_colours_are_scaled_by_the_range_of_the_camera(top, significant, expected):
    found = samples(top, 3, size=(100, 100))
    stated = b"" if significant is None else chunk(b"sBIT", bytes(3 * [significant]))
    assert read(raw_png(found, chunks=stated)).reading.scaled_from == (0, expected)


def test_a_transparent_grey_sample_is_laid_over_and_does_not_count():
    found = samples(1500)
    found[:20] = FULL - 3  # white air
    found[39, :2, 0] = 0, 1500
    found[30, 30] = (FULL - 3) & 0xFF  # the same in its low byte
    picture = read(raw_png(found, chunks=chunk(b"tRNS", struct.pack(">H", FULL - 3))))
    assert codes(picture) == ["sixteen_bit_windowed", "transparency_flattened"]
    assert picture.reading.scaled_from == (0, 1500)
    assert (picture.pixels[:20] == BLUE).all()
    assert not (picture.pixels[20:] == BLUE).all(axis=2).any()


def test_a_transparent_colour_is_compared_in_sixteen_bits():
    found = samples(60_000, 3)
    clear, close = (1000, 20_000, 30_000), (1001, 20_000, 30_000)  # one colour in eight bits
    found[5, 5], found[6, 6] = clear, close
    picture = read(raw_png(found, chunks=chunk(b"tRNS", struct.pack(">3H", *clear))))
    assert tuple(picture.pixels[5, 5]) == BLUE
    assert tuple(picture.pixels[6, 6]) == (4, 78, 117)


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_laid_over_and_what_is_under_it_does_not_count(channels):
    found = samples(1500, channels)
    found[..., -1] = FULL
    found[:20, :, :-1], found[:20, :, -1] = 50_000, 0
    picture = read(raw_png(found))
    assert codes(picture) == ["sixteen_bit_windowed", "transparency_flattened"]
    assert picture.reading.scaled_from[1] <= 1500
    assert (picture.pixels[:20] == BLUE).all()


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_fewer_bits_and_their_transparent_sample(bits):
    top = 2**bits - 1
    found = samples(top)
    assert np.array_equal(read(raw_png(found, bits)).pixels[..., :1], found * (255 // top))
    picture = read(raw_png(found, bits, chunks=chunk(b"tRNS", struct.pack(">H", top))))
    assert codes(picture) == ["transparency_flattened"]
    assert np.array_equal((picture.pixels == BLUE).all(axis=2), found[..., 0] == top)
    assert picture.reading.bits == bits


def test_large_pictures_are_read_in_bands_to_the_same():
    found = samples(1500, 3, size=(600, 40))
    assert np.abs(read(raw_png(found)).pixels - found * 255 / 1500).max() <= 0.5


def test_nothing_seen_is_the_full_range():
    assert choose(np.zeros(FULL + 1, np.int64), coloured=False, significant=None).full


def test_an_eight_bit_file_says_so():
    reading = read(encoded(quarters())).reading
    assert reading.document() == {"rules": READING_RULES, "bits": 8, "scaled_from": None, "profile": None}
