import io

import numpy as np
import pytest
from PIL import Image

from oncoserve.tasks.maps.resolution import choose_um_per_px, model_shape, resample, tagged_um_per_px
from testbed.models.tissue_maps import MODEL_UM_PER_PX, PART


def reread(kind, dpi):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, kind, dpi=(dpi, dpi))
    return Image.open(buffer).info


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("um_per_px", [0.4, 0.5, 2.0])
def test_a_microscopes_tag_is_taken(kind, um_per_px):
    assert tagged_um_per_px(reread(kind, 25400 / um_per_px)) == pytest.approx(um_per_px, rel=0.001)


@pytest.mark.parametrize("dpi", [72, 96, 300, 600, 6000, 300000])
def test_screens_and_printers_tags_are_not(dpi):
    assert tagged_um_per_px({"dpi": (dpi, dpi)}) is None


@pytest.mark.parametrize("info", [{}, {"dpi": None}, {"dpi": (0, 0)}, {"dpi": (50800, 25400)}, {"dpi": ("a", "b")}])
def test_a_useless_tag_is_no_tag(info):
    assert tagged_um_per_px(info) is None


@pytest.mark.parametrize(
    ("given", "tagged", "chosen", "codes"),
    [
        (0.25, 0.5, 0.25, []),
        (None, 0.25, 0.25, []),
        (None, None, 0.5, ["resolution_assumed"]),
        (4.0, None, 4.0, ["resolution_far"]),
        (2.5, None, 2.5, []),
    ],
)
def test_the_callers_word_goes_before_the_files(given, tagged, chosen, codes):
    um_per_px, warnings = choose_um_per_px(PART, given, tagged)
    assert um_per_px == chosen
    assert [warning.code for warning in warnings] == codes


@pytest.mark.parametrize(
    ("shape", "um_per_px", "expected"),
    [((1000, 600), 0.5, (250, 150)), ((1, 1), 0.1, (1, 1)), ((3, 9000), 0.25, (1, 1125)), ((10, 10), 4.0, (20, 20))],
)
def test_model_shape(shape, um_per_px, expected):
    assert model_shape(shape, um_per_px, MODEL_UM_PER_PX) == expected
    assert resample(np.zeros((*shape, 3), np.uint8), expected).shape == (*expected, 3)


@pytest.mark.parametrize("um_per_px", [0.25, 0.31, 0.5, 1.7, 3.0])
def test_bands_give_what_the_whole_picture_gives(histo, um_per_px):
    tall = np.concatenate([histo, histo[::-1]] * 3)
    rows, columns = model_shape(tall.shape[:2], um_per_px, MODEL_UM_PER_PX)
    whole = np.asarray(Image.fromarray(tall).resize((columns, rows), Image.Resampling.LANCZOS))
    assert (
        np.abs(resample(tall, (rows, columns)).astype(int) - whole).max() <= 2
    )  # Pillow keeps a box's corners in float32


def test_shrinking_averages_what_it_leaves_out():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.abs(resample(stripes, (8, 8)).astype(int) - 100)[2:-2, 2:-2].max() <= 1
