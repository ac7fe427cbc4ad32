import math
import random

import pytest

from oncoserve.jobs.intake.ordering import order_of
from oncoserve.pictures.dicom.standing import Standing

UP = (0.0, 0.0, 1.0)


def slice_at(z, series="a", number=None, frame=1, normal=UP, corner=None):
    return Standing("study", series, frame, number, corner or (1.0, 2.0, z), normal)


def placeless(number=None, series="a", frame=1):
    return Standing("study", series, frame, number)


def shuffled(slices, seed=1):
    mixed = list(slices)
    random.Random(seed).shuffle(mixed)  # noqa: S311 - reproducible, not secret
    return mixed


def ordered(standings):
    return [standings[place] for place in order_of(standings)]


def test_slices_are_ordered_by_where_they_lie_and_not_by_their_numbers():
    slices = [slice_at(5.0 * place, number=100 - place) for place in range(20)]
    assert ordered(shuffled(slices)) == slices


def test_the_position_is_that_along_the_normal_of_an_oblique_stack():
    normal = (0.0, math.sin(0.4), math.cos(0.4))
    # Each corner slides within its own plane, so that no single coordinate is in order.
    slide = (0.0, math.cos(0.4), -math.sin(0.4))
    slices = [
        slice_at(
            0,
            normal=normal,
            corner=tuple(3 * place * n + (-1) ** place * 50 * s for n, s in zip(normal, slide, strict=True)),
        )
        for place in range(12)
    ]
    assert ordered(shuffled(slices)) == slices
    assert sorted(slices, key=lambda each: each.corner[2]) != slices


def test_series_come_as_the_first_of_each_came_and_other_pictures_stay_where_they_were():
    a, b = [slice_at(z, "a") for z in (1, 2)], [slice_at(z, "b") for z in (1, 2)]
    assert order_of([b[1], None, a[1], b[0], None, a[0]]) == [3, 0, 1, 5, 2, 4]


def test_a_normal_that_points_the_other_way_is_of_the_same_stack():
    down = (0.0, 0.0, -1.0)
    slices = [slice_at(place, normal=UP if place % 2 else down) for place in range(6)]
    found = ordered(shuffled(slices))
    assert found in (slices, slices[::-1])


def test_stacks_that_are_not_parallel_come_one_after_the_other():
    axial, sagittal = (
        [slice_at(z) for z in (1, 2, 3)],
        [slice_at(0, normal=(1.0, 0.0, 0.0), corner=(x, 0.0, 0.0)) for x in (1.5, 2.5)],
    )
    assert ordered([axial[2], sagittal[1], axial[0], sagittal[0], axial[1]]) == [*axial, *sagittal]


@pytest.mark.parametrize(
    "slices",
    [
        [slice_at(1, number=1), slice_at(1, number=2), slice_at(1, number=3), slice_at(2, number=0)],
        [slice_at(1, frame=1), slice_at(1, frame=2), slice_at(1, frame=10)],
        [slice_at(9, number=9), placeless(1), placeless(2), placeless(10)],
        [placeless(frame=2, number=1), placeless(frame=3, number=0)],
    ],
    ids=["numbers at one position", "frames at one position", "no positions", "frames before numbers"],
)
def test_what_counts_where_positions_say_nothing(slices):
    for seed in range(5):
        assert ordered(shuffled(slices, seed)) == slices


def test_what_says_nothing_stays_as_it_came():
    assert order_of([placeless(), placeless(), slice_at(1), slice_at(1)]) == [2, 3, 0, 1]
    assert order_of([placeless(series=""), placeless(3, series=""), placeless(1, series="")]) == [0, 1, 2]
    assert order_of([]) == []
