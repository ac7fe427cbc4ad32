"""Where the limits on a file's parts lie; the files that are built to be dear are in tests/hostile."""

import numpy as np
import pytest
from PIL import Image

from oncoserve.errors import ImageTooComplex
from oncoserve.pictures.png_jpeg import structure
from testbed.encoded_pictures import encoded, noise
from testbed.picture_files.raw_png import SIGNATURE, chunk

JPEG = encoded(noise(), "JPEG")
FLAT = encoded(Image.new("L", (64, 64), 77), "JPEG", progressive=True)
SCAN = FLAT[FLAT.rindex(b"\xff\xda") : -2]


def png(*chunks):
    return SIGNATURE + b"".join(chunks) + chunk(b"IEND")


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}, {"comment": b"\xff\xda" * 99}]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_what_encoders_write_is_taken(mode, options):
    structure.check(encoded(noise((900, 700)).convert(mode), "JPEG", **options), "JPEG")


def test_a_large_png_in_small_chunks_is_taken():
    structure.check(png(*[chunk(b"IDAT", bytes(4096))] * 20_000), "PNG")


def test_what_lies_behind_the_end_does_not_count():
    structure.check(JPEG + np.random.default_rng(0).bytes(10_000_000), "JPEG")
    structure.check(png() + chunk(b"abCd") * 5000, "PNG")


@pytest.mark.parametrize(
    ("kind", "data", "says"),
    [
        ("PNG", lambda n: png(*[chunk(b"abCd")] * (n - 1)), 1012),
        ("PNG", lambda n: png(*[chunk(b"zTXt")] * n), 17),
        ("JPEG", lambda n: JPEG[:2] + b"\xff" * n + JPEG[2:], None),
        ("JPEG", lambda n: FLAT[:-2] + SCAN * (n - FLAT.count(b"\xff\xda")) + FLAT[-2:], 51),
    ],
    ids=["chunks", "texts", "fill bytes", "scans"],
)
def test_the_limit_itself_is_taken_and_one_more_is_not(kind, data, says):
    taken = max(count for count in range(10, 1100) if _passes(data(count), kind))
    with pytest.raises(ImageTooComplex) as refused:
        structure.check(data(taken + 1), kind)
    if says:
        assert f"at least {says} " in refused.value.detail
        assert taken == says - 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_file_that_ends_anywhere_is_left_to_the_decoder(kind):
    whole = encoded(noise(), kind)
    for length in range(len(whole)):
        structure.check(whole[:length], kind)


def _passes(data, kind):
    try:
        structure.check(data, kind)
    except ImageTooComplex:
        return False
    return True
