from itertools import pairwise

import numpy as np
import pytest

from oncoserve.tasks.maps.tiles import DIRECTIONS, Grid, cut, turned, turned_back
from testbed.models.tissue_maps import OVERLAP, SIDE, TILING, blender_of

SHAPES = [(1, 1), (75, 125), (512, 512), (513, 512), (300, 2000), (1250, 1251)]


@pytest.mark.parametrize("shape", SHAPES)
def test_tiles_cover_the_picture_and_overlap(shape):
    grid = Grid.over(shape, TILING)
    for starts, length in ((grid.tops, shape[0]), (grid.lefts, shape[1])):
        assert starts[0] <= 0
        assert starts[-1] + SIDE >= length
        assert all(b - a <= SIDE - OVERLAP for a, b in pairwise(starts))


@pytest.mark.parametrize("shape", SHAPES)
def test_blending_gives_back_what_was_cut(shape):
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    grid = Grid.over(shape, TILING)
    blender = blender_of(grid)
    for tile in cut(picture, grid.side, grid.positions(np.ones(shape, bool))):
        assert tile.pixels.shape == (SIDE, SIDE, 3)
        blender.add(tile.top, tile.left, tile.pixels.transpose(2, 0, 1))
    whole = blender.finish()
    assert whole.dtype == np.uint8
    assert np.abs(whole.astype(int) - picture).max() <= 1


def test_each_direction_is_another_and_is_turned_back():
    values = np.random.default_rng(0).integers(0, 256, (5, 5, 3)).astype(np.uint8)
    directions = [turned(values, direction) for direction in range(DIRECTIONS)]
    assert len({each.tobytes() for each in directions}) == DIRECTIONS
    assert np.array_equal(directions[0], values)
    for direction, each in enumerate(directions):
        assert each.flags.c_contiguous
        assert np.array_equal(turned_back(each, direction), values)
    wide = values[:2]
    assert [turned(wide, direction).shape for direction in (0, 1, 2, 5)] == [(2, 5, 3), (5, 2, 3), (2, 5, 3), (5, 2, 3)]


@pytest.mark.parametrize("shape", [(75, 125), (1250, 1251)])
def test_several_answers_to_a_tile_are_averaged(shape):
    grid = Grid.over(shape, TILING)
    answers = (0, 10, 200, 255)
    blender = blender_of(grid, len(answers))
    for top, left in grid.positions(np.ones(shape, bool)):
        for answer in answers:
            blender.add(top, left, np.full((3, SIDE, SIDE), answer, np.uint8))
    assert np.abs(blender.finish().astype(int) - sum(answers) / len(answers)).max() <= 1


def test_outside_the_picture_is_its_mirror_image(histo):
    picture = histo[:75, :125]
    (tile,) = cut(picture, TILING.side, Grid.over((75, 125), TILING).positions(np.ones((75, 125), bool)))
    rows, columns = SIDE - 75, SIDE - 125
    padding = ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0))
    assert np.array_equal(tile.pixels, np.pad(picture, padding, mode="reflect"))


def test_the_order_of_answers_changes_no_byte():
    random = np.random.default_rng(1)
    grid = Grid.over((900, 1100), TILING)
    positions = grid.positions(np.ones(grid.shape, bool))
    answers = [random.integers(0, 256, (3, SIDE, SIDE)).astype(np.uint8) for _ in positions]
    blenders = blender_of(grid), blender_of(grid)
    for index in range(len(positions)):
        blenders[0].add(*positions[index], answers[index])
        blenders[1].add(*positions[-1 - index], answers[-1 - index])
    assert np.array_equal(blenders[0].finish(), blenders[1].finish())


def test_the_brightest_answer_does_not_overflow():
    grid = Grid.over((1300, 1300), TILING)
    blender = blender_of(grid)
    for top, left in grid.positions(np.ones(grid.shape, bool)):
        blender.add(top, left, np.full((3, SIDE, SIDE), 255, np.uint8))
    assert blender.finish().min() == 255


def test_there_is_no_step_where_a_tile_ends():
    grid = Grid.over((SIDE, 1500), TILING)
    blender = blender_of(grid)
    for index, (top, left) in enumerate(grid.positions(np.ones(grid.shape, bool))):
        blender.add(top, left, np.full((3, SIDE, SIDE), 255 * (index % 2), np.uint8))
    assert np.abs(np.diff(blender.finish()[0, :, 0].astype(int))).max() <= 3


def test_tiles_of_glass_alone_are_left_out():
    wanted = np.zeros((2000, 2000), bool)
    wanted[1500, 100] = True
    grid = Grid.over((2000, 2000), TILING)
    positions = grid.positions(wanted)
    assert positions
    assert all(top <= 1500 < top + SIDE and left <= 100 < left + SIDE for top, left in positions)
    covering = [t for t in grid.tops if t <= 1500 < t + SIDE], [x for x in grid.lefts if x <= 100 < x + SIDE]
    assert len(positions) == len(covering[0]) * len(covering[1])
