"""A part of what `python -m loadtest.fuzz` sends: damaged files of a fixed seed, and what they leave behind."""

import itertools

import pytest

from loadtest.fuzz.fuzzing import fuzz
from loadtest.fuzz.mutants import mutants

SEED = 20261122


@pytest.mark.parametrize("files", [500, pytest.param(1500, marks=pytest.mark.long)])
def test_damaged_files_are_answered_and_leave_nothing_behind(tiny, files):
    with tiny() as service:
        report = fuzz(service, SEED, files)
    assert [(mutant.number, mutant.name, answer) for mutant, answer in report.bad] == []
    assert report.unchanged
    assert report.good(), f"{report.start_mib:.0f} MiB after the warm-up, {report.end_mib:.0f} MiB at the end"
    answers = {answer for _, answer in report.answers}
    assert {"200", "413 image_too_large", "415 unsupported_image", "422 corrupt_image"} <= answers


def test_a_seed_makes_the_same_files_again_and_another_makes_others():
    first, again, other = (list(mutants(seed, 50)) for seed in (1, 1, 2))
    assert first == again
    assert [each.data for each in first] != [each.data for each in other]
    assert len({each.name for each in mutants(1, 200)}) == 12
    assert not any(a.data == b.data for a, b in itertools.combinations(first, 2))
