import numpy as np
import pytest

from oncoserve.tasks.regions.components import components, without_small


def picture(*rows):
    return np.array([[cell == "#" for cell in row] for row in rows])


def flood_fill(mask):
    """Sizes of the 4-connected regions, the slow and plain way."""
    left = {tuple(index) for index in np.argwhere(mask).tolist()}
    sizes = []
    while left:
        todo = [left.pop()]
        size = 0
        while todo:
            y, x = todo.pop()
            size += 1
            for step in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if step in left:
                    left.remove(step)
                    todo.append(step)
        sizes.append(size)
    return sorted(sizes)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.6, 0.8])
@pytest.mark.parametrize("shape", [(30, 40), (1, 50), (50, 1), (1, 1)])
def test_sizes_are_those_of_a_flood_fill(shape, share):
    mask = np.random.default_rng(1).random(shape) < share
    assert sorted(components(mask).sizes().tolist()) == flood_fill(mask)


def test_diagonal_neighbours_are_apart():
    assert components(picture("#.", ".#")).count == 2


def test_a_snake_is_one_component():
    assert components(picture("#####", "....#", "#####", "#....", "#####")).sizes().tolist() == [17]


def test_runs_do_not_join_around_the_edge():
    assert components(picture("..#", "#..")).count == 2


def test_at_border():
    found = components(picture("#....", "..#..", ".....", "....#"))
    assert found.at_border().tolist() == [True, False, True]


def test_at_finds_the_component_of_a_pixel():
    found = components(picture("##.#", "...#"))
    assert found.at(np.array([0, 0, 1]), np.array([1, 3, 3])).tolist() == [0, 1, 1]


def test_mask_keeps_what_it_is_told_to():
    mask = np.random.default_rng(2).random((40, 30)) < 0.5
    found = components(mask)
    kept = np.random.default_rng(3).random(found.count) < 0.5
    rest = found.mask(~kept)
    assert np.array_equal(found.mask(kept) | rest, mask)
    assert not (found.mask(kept) & rest).any()


def test_without_small_keeps_what_is_larger():
    mask = picture("###.#", "....#", "##..#", "....#")
    assert np.array_equal(without_small(mask, 3), picture("....#", "....#", "....#", "....#"))


def test_an_empty_mask_has_no_components():
    assert components(np.zeros((4, 5), bool)).count == 0
