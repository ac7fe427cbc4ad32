"""What is typical of the pictures of a network without its training pictures: fitting, and what it is fitted on."""

import numpy as np
import pytest
from PIL import Image

from training.published.changes import CHANGES, another_hospital
from training.published.slices import MOST_SLICES, SPARE, choose
from training.published.strange_pictures import LAYOUTS, in_an_oval, panels
from training.published.typical_fit import fit_typical, scaled_by

CHANCE = np.random.default_rng(1)


@pytest.fixture
def folder(tmp_path):
    """A table of 24 patients with 1 to 8 slices, and of 12 clusters."""
    rows = [
        f"{kind}/{kind}{patient}_{number}.jpg\t{kind}\t{kind}{patient}"
        for kind in ("glioma", "meningioma")
        for patient in range(12)
        for number in range(1 + patient % 8)
    ]
    (tmp_path / "slices.tsv").write_text("\n".join(["file\tclass\tpatient", *rows]) + "\n")
    spare = [f"notumor/{number}.jpg\tc{number % 12}" for number in range(60)]
    (tmp_path / "no_tumour_clusters.tsv").write_text("\n".join(["file\tcluster", *spare]) + "\n")
    return tmp_path


def test_nobody_has_two_roles_and_half_of_them_fit(folder):
    chosen = choose(folder, 1)
    roles = {}
    for each in chosen:
        assert roles.setdefault(each.group, each.role) == each.role
    assert len(roles) == 36
    assert [list(roles.values()).count(role) for role in ("fit", "scale", "test")] == [18, 9, 9]
    assert len({each.path for each in chosen}) == len(chosen)
    sizes = {group: sum(each.group == group for each in chosen) for group in roles}
    assert max(sizes.values()) == MOST_SLICES
    assert {sizes[each.group] for each in chosen if each.kind == SPARE} == {1}
    assert choose(folder, 1) == chosen != choose(folder, 2)


def of_classes(count, spread=1.0):
    """Features of three classes with one covariance, and the classes."""
    kinds = np.arange(count) % 3
    middles = np.array([[0, 0, 9], [9, 0, 0], [0, 9, 0]])
    narrow = np.random.default_rng(2).normal(size=(3, 3))
    return middles[kinds] + spread * CHANCE.normal(size=(count, 3)) @ narrow, kinds


def test_the_stated_share_of_others_is_within_the_scale():
    typical = scaled_by(fit_typical(*of_classes(600)), of_classes(500)[0], 0.98)
    assert (typical.strangeness(of_classes(2000)[0]) <= 1).mean() == pytest.approx(0.98, abs=0.015)
    assert typical.strangeness(of_classes(300, spread=9)[0]).mean() > 1.5
    between = np.array([[3.0, 3.0, 3.0]])  # the mean of all, where no class is
    assert typical.strangeness(between)[0] > np.median(typical.strangeness(of_classes(300)[0]))


def test_each_direction_counts_alike():
    features = CHANCE.normal(size=(3000, 4)) @ (CHANCE.normal(size=(4, 4)) + 3 * np.eye(4))
    typical = fit_typical(features, np.zeros(3000))
    placed = (features - typical.centre) @ typical.axes.astype(np.float64) - typical.means[0]
    np.testing.assert_allclose(placed.T @ placed / len(placed), np.eye(4), atol=0.05)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_keeps_a_slice_a_grey_picture(name):
    picture = Image.fromarray(np.random.default_rng(3).integers(0, 200, (48, 64), dtype=np.uint8))
    changed = CHANGES[name](picture)
    assert changed.mode == "L"
    assert min(changed.size) > 40
    assert changed.size != picture.size or changed.tobytes() != picture.tobytes()


def test_another_hospital_is_another_one_each_time():
    ramp = Image.fromarray(np.tile(np.linspace(0, 200, 64, dtype=np.uint8), (64, 1)))
    made = [another_hospital(ramp, CHANCE) for _ in range(20)]
    assert {each.mode for each in made} == {"L"}
    assert len({(each.size, each.tobytes()) for each in made}) > 15


def test_strange_pictures():
    oval = in_an_oval(np.full((40, 40), 200, np.uint8))
    assert (oval.dtype, oval[0, 0], oval[20, 20]) == (np.uint8, 0, 200)
    slices = [Image.new("L", (30, 30), 10 * number) for number in range(9)]
    made = panels(slices, len(LAYOUTS), CHANCE)
    assert [each.size for each in made] == [(240 * columns, 240 * rows) for rows, columns in LAYOUTS]
