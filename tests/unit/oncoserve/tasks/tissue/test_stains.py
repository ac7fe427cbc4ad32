import numpy as np
import pytest

from oncoserve.tasks.maps.tiles import DIRECTIONS, turned
from oncoserve.tasks.tissue.glass import white_mask
from oncoserve.tasks.tissue.stains import StainsNotFound, estimate, separate
from tests.unit.oncoserve.tasks.label_grids import cells


@pytest.mark.parametrize("name", ["histo.jpg", "ihc.png"])
def test_parameters_are_those_of_lavlab_shell(name, request, golden):
    pixels = request.getfixturevalue(name.partition(".")[0])
    found, expected = estimate(pixels, white_mask(pixels)), golden[name]
    assert found.intensity == pytest.approx(expected["intensity"])
    np.testing.assert_allclose(found.vectors, [expected["eosin"], expected["haematoxylin"]], atol=1e-6)
    np.testing.assert_allclose(found.low, expected["low"], atol=1e-5)
    np.testing.assert_allclose(found.high, expected["high"], atol=1e-5)


@pytest.mark.parametrize("name", ["histo.jpg", "ihc.png"])
def test_channels_are_those_of_lavlab_shell(name, request, golden):
    pixels = request.getfixturevalue(name.partition(".")[0])
    channels = separate(pixels, estimate(pixels, white_mask(pixels)))
    assert [channels.min(axis=(0, 1)).tolist(), channels.max(axis=(0, 1)).tolist()] == golden[name]["channel_range"]
    np.testing.assert_allclose(cells(channels), golden[name]["channel_means"], atol=0.06)  # pinned to 0.1


@pytest.mark.parametrize("direction", range(DIRECTIONS))
@pytest.mark.parametrize("name", ["histo", "ihc"])
def test_which_stain_is_which_does_not_hang_on_the_direction_of_the_picture(name, direction, request):
    """In `ihc` both names fit one vector best, and the order in which the two come is chance."""
    pixels = request.getfixturevalue(name)
    again = turned(pixels, direction)
    upright, found = estimate(pixels, white_mask(pixels)), estimate(again, white_mask(again))
    np.testing.assert_allclose(found.vectors, upright.vectors, atol=1e-3)


def test_channels_use_the_whole_range_so_the_graph_needs_no_minimum_and_maximum(histo):
    pale = (255 - (255 - histo.astype(int)) // 3).astype(np.uint8)
    channels = separate(pale, estimate(pale, np.zeros(pale.shape[:2], bool)))
    assert channels.min(axis=(0, 1)).tolist() == [0, 0, 0]
    assert channels.max(axis=(0, 1)).tolist() == [255, 255, 255]


def test_a_part_of_a_picture_gets_what_it_gets_in_the_whole(histo):
    parameters = estimate(histo, white_mask(histo))
    assert np.array_equal(separate(histo[30:90, 50:99], parameters), separate(histo, parameters)[30:90, 50:99])


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((60, 60, 3), 255, np.uint8),
        np.zeros((60, 60, 3), np.uint8),
        np.full((60, 60, 3), (220, 120, 180), np.uint8),
        np.full((1, 1, 3), 90, np.uint8),
        np.random.default_rng(0).integers(240, 247, (60, 60, 3)).astype(np.uint8),
    ],
    ids=["white", "black", "pink", "one pixel", "faint noise"],
)
@pytest.mark.parametrize("masked", [True, False])
def test_a_picture_without_two_stains_is_told_apart(pixels, masked):
    with pytest.raises(StainsNotFound):
        estimate(pixels, np.full(pixels.shape[:2], masked))
