from pathlib import Path

import numpy as np
import pytest

from training import split
from training.data import Slices
from training.run_settings import FOLDS, NONE

ROLES = (split.TRAIN, split.VALIDATION, split.TEST)


def slices(groups, classes):
    nothing = np.zeros((len(groups), 1, 1), np.uint8)
    return Slices(nothing, nothing, np.array(classes), np.array(groups))


@pytest.fixture(scope="module")
def members():
    """168 patients of three classes and 172 clusters, with different numbers of slices."""
    chance = np.random.default_rng(2)
    names = [(f"p{number:03}", number % 3) for number in range(168)] + [
        (f"c{number:03}", NONE) for number in range(172)
    ]
    rows = [row for row in names for _ in range(int(chance.integers(1, 30)))]
    return split.draw(slices(*zip(*rows, strict=True)), seed=1)


@pytest.mark.parametrize("fold", range(FOLDS))
def test_nobody_is_on_two_sides(members, fold):
    sides = [set(split.groups(members, fold, role)) for role in ROLES]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 340
    for kind in {member.kind for member in members}:
        own = [member.role(fold) for member in members if member.kind == kind]
        assert [round(own.count(role) / len(own), 1) for role in ROLES] == [0.7, 0.1, 0.2]


def test_each_patient_tests_once_and_validates_at_most_once(members):
    for role, least in ((split.TEST, 1), (split.VALIDATION, 0)):
        counts = [sum(member.role(fold) == role for fold in range(FOLDS)) for member in members]
        assert set(counts) <= {least, 1}


def test_a_file_says_the_same_and_the_seed_decides(members, tmp_path):
    path = Path(tmp_path, "split.tsv")
    path.write_text(split.text(members))
    assert split.read(path) == members
    assert path.read_text().splitlines()[1].split("\t")[4:] == [members[0].role(fold) for fold in range(FOLDS)]
    rows = [(member.group, NONE) for member in members]
    one, same, other = (split.draw(slices(*zip(*rows, strict=True)), seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_the_split_behind_the_published_figures_has_nobody_on_two_sides():
    path = Path(__file__).parents[3] / "docs/brain_tumour/split.tsv"
    members = split.read(path)
    assert split.text(members) == path.read_text()
    assert sum(member.kind != "notumor" for member in members) == 168
    assert len({member.group for member in members}) == len(members)
    for fold in range(FOLDS):
        sides = [set(split.groups(members, fold, role)) for role in ROLES]
        assert sum(map(len, sides)) == len(set().union(*sides)) == len(members)


def test_a_patient_of_two_classes_is_refused():
    with pytest.raises(ValueError, match="p1"):
        split.draw(slices(["p1", "p1", "p2"], [0, 1, 1]), seed=1)
