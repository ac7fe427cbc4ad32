import pytest

from oncoserve.results.viewing.levels import TILE, Levels


@pytest.mark.parametrize(
    ("width", "height", "last"),
    [(1, 1, 0), (512, 512, 0), (513, 1, 1), (1, 513, 1), (1024, 700, 1), (1025, 700, 2), (10_000, 10_000, 5)],
)
def test_the_smallest_level_fits_into_one_tile_and_the_last_has_the_own_size(width, height, last):
    levels = Levels(width, height)
    assert levels.last == last
    assert levels.size(last) == (width, height)
    assert max(levels.size(0)) <= TILE
    assert last == 0 or max(levels.size(1)) > TILE


@pytest.mark.parametrize(("width", "height"), [(1300, 700), (513, 1025), (3, 2)])
def test_the_tiles_of_a_level_cover_it_once(width, height):
    levels = Levels(width, height)
    for level in range(levels.last + 1):
        boxes = [box for x in range(9) for y in range(9) if (box := levels.box(level, x, y))]
        assert sum((right - left) * (bottom - top) for left, top, right, bottom in boxes) == (
            levels.size(level)[0] * levels.size(level)[1]
        )
        assert len(set(boxes)) == len(boxes)
        assert all(right - left <= TILE and bottom - top <= TILE for left, top, right, bottom in boxes)


@pytest.mark.parametrize(("level", "x", "y"), [(-1, 0, 0), (3, 0, 0), (2, 3, 0), (2, 0, 2), (2, -1, 0), (0, 1, 0)])
def test_there_is_nothing_else(level, x, y):
    assert Levels(1300, 1000).box(level, x, y) is None
