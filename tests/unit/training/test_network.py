"""What needs PyTorch, which only the environment of training has."""

import math
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from tests.unit.training.test_graph import multiplications  # noqa: E402
from training import losses  # noqa: E402
from training.augmentation import places, symmetry  # noqa: E402
from training.augmentation.batches import Batches  # noqa: E402
from training.augmentation.chain import KINDS, STEPS, Chain  # noqa: E402
from training.augmentation.chance import Chance  # noqa: E402
from training.augmentation.filling import Filling  # noqa: E402
from training.augmentation.outliers import outliers  # noqa: E402
from training.data import Slices  # noqa: E402
from training.folds import Workshop  # noqa: E402
from training.network import FEATURES, Network, Seen, evened  # noqa: E402
from training.run_settings import CELLS, NONE, SIDE, Phase, RunSettings  # noqa: E402
from training.serving.export import ServedGraph, export  # noqa: E402
from training.serving.resemblance import METHODS, fit_resemblance  # noqa: E402

CPU = torch.device("cpu")


def resemblance():
    chance = np.random.default_rng(1)
    return fit_resemblance(chance.random((400, FEATURES), np.float32), chance.random(400, np.float32))


@pytest.mark.parametrize("method", METHODS)
def test_graph_answers_like_the_network(method):
    torch.manual_seed(1)
    network = Network().eval()
    images = np.random.default_rng(1).integers(0, 255, (3, SIDE, SIDE, 3), np.uint8)
    graph = export(network, 1.5, resemblance(), method)
    onnx.checker.check_model(onnx.load_from_string(graph), full_check=True)
    session = onnxruntime.InferenceSession(graph)
    assert [(each.name, each.shape) for each in session.get_outputs()] == [
        ("probabilities", ["N", 3]),
        ("mask", ["N", CELLS, CELLS]),
        ("strangeness", ["N", 1]),
    ]
    said = session.run(None, {"image": images})
    with torch.no_grad():
        wanted = ServedGraph(network, 1.5, resemblance(), method)(torch.from_numpy(images))
        seen = network(torch.from_numpy(images).float().mean(3).unsqueeze(1))
    for one, other in zip(said[:2], wanted[:2], strict=True):
        assert np.allclose(one, other, atol=1e-2)
    assert np.allclose(said[2], wanted[2], rtol=2e-2, atol=1e-2)  # it has no upper bound
    parts = resemblance().parts(seen.features.numpy(), seen.outlier.numpy())
    assert np.allclose(said[2][:, 0], parts[method], rtol=2e-2, atol=1e-2)


def test_size_and_arithmetic(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(export(Network(), 1.0, resemblance(), "both"))
    assert path.stat().st_size <= 3e6
    assert multiplications(path) * 2 <= 0.6e9


def heads(count, size=96):
    """(count, 1, size, size) bytes: ellipses with a dark stripe, the same left and right, and a tumour."""
    along = torch.linspace(-1, 1, size)
    down, across = torch.meshgrid(along, along, indexing="ij")
    head = ((across / 0.6) ** 2 + (down / 0.8) ** 2 < 1) * (120 - 60 * (down.abs() < 0.1) + 40 * (down > 0))
    tumour = ((across - 0.3) ** 2 + (down - 0.4) ** 2 < 0.02).float()
    images = torch.where(tumour > 0, 240.0, head).to(torch.uint8).expand(count, 1, size, size).clone()
    return images, (255 * tumour).to(torch.uint8).expand(count, 1, size, size).clone()


def test_a_lone_cell_is_lowered_and_the_middle_of_a_region_is_not():
    mask = torch.zeros(1, 1, 9, 9)
    mask[..., 0, 8] = mask[..., 3:6, 3:6] = 0.8
    found = evened(mask)[0, 0]
    assert found[4, 4] == pytest.approx(0.8)
    assert found[0, 8] == pytest.approx((0.8 + 0.8 / 4) / 2)  # a corner has three neighbours, all inside the mask
    assert evened(torch.full((1, 1, 9, 9), 0.8)).allclose(torch.tensor(0.8))


def test_the_axis_of_a_head_is_found():
    images, masks = heads(3)
    axes = symmetry.find(images, masks)
    assert (axes.likeness > 0.95).all()
    assert ((axes.angles % math.pi).sin().abs() < 0.06).all()
    assert (axes.offsets.abs() < 0.02).all()
    mirrored = symmetry.reflect(images.float(), axes.angles, axes.offsets)
    assert (mirrored[..., 64:69, 31:36].mean() - 240).abs() < 25


def test_tumours_are_filled_copied_and_left():
    images, masks = heads(8)
    pictures, wanted = images.float(), masks.float() / 255
    filling = Filling(symmetry.find(images, masks), places.heads(images[:, 0]), Chance(1, CPU))
    every = torch.arange(8)
    erased, none, gone = filling.erase(pictures, wanted, every)
    assert len(gone) >= 6
    assert not none[gone].any()
    assert erased[gone].amax() < 200
    assert torch.equal(erased[:, :, :40, :40], pictures[:, :, :40, :40])
    both, two = filling.copy(pictures, wanted, every)
    assert torch.allclose(two.sum((1, 2, 3)), 2 * wanted.sum((1, 2, 3)), rtol=0.1)
    assert (both * two).sum() / two.sum() > 200
    # All tumours lie at one place here, so no decoy is possible: it would cover this one's.
    assert torch.equal(filling.decoy(pictures, wanted, every), pictures)
    for change in (filling.erase, filling.copy):
        assert torch.equal(change(pictures, wanted, every[:0])[0], pictures)


def test_a_decoy_is_filled_where_another_slice_has_its_tumour():
    images, masks = heads(8)
    images[::2], masks[::2] = images[::2].flip(2), masks[::2].flip(2)  # neighbours have theirs above and below
    grain = torch.rand(images.shape, generator=torch.Generator().manual_seed(1))  # else a side is as its mirror image
    pictures, wanted = images + 20 * grain, masks.float() / 255
    filling = Filling(symmetry.find(images, masks), places.heads(images[:, 0]), Chance(1, CPU))
    filled = filling.decoy(pictures, wanted, torch.arange(8))
    changed = (filled - pictures).abs() > 1
    places_of_others = wanted.roll(1, 0)
    assert changed.flatten(1).any(1).sum() >= 4
    assert (changed * places_of_others).sum() > 0
    assert not (changed & (wanted > 0.5)).any()


def test_a_mask_moves_with_what_it_covers():
    images, masks = heads(32)
    bright = torch.where(masks > 0, 255, 0).to(torch.uint8)
    chain = Chain(Chance(3, CPU), tuple(step.name for step in STEPS))
    pictures, moved = chain(bright.float(), masks.float() / 255, places.heads(images[:, 0]), 64)
    assert torch.allclose(pictures / 255, moved, atol=1e-3)
    assert moved.flatten(1).any(1).float().mean() > 0.5


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_augmentation_can_be_held_back(name):
    images, masks = heads(48)
    given = (images.float(), masks.float() / 255, places.heads(images[:, 0]), 64)
    others = tuple(kind for kind in KINDS if kind != name)
    with_it, without = (Chain(Chance(4, CPU), left)(*given)[0] for left in (others, KINDS))
    assert not torch.equal(with_it, without)
    assert with_it.min() >= 0
    assert with_it.max() <= 255
    with pytest.raises(ValueError, match="no such augmentation: fog"):
        Chain(Chance(1, CPU), ("fog",))


def test_outliers_are_pictures():
    images, _ = heads(64)
    made = outliers(images.float(), Chance(1, CPU))
    assert made.shape == images.shape
    assert torch.isfinite(made).all()
    assert made.min() >= 0
    assert made.max() <= 255
    assert len(torch.unique(made.flatten(1).std(1).round(decimals=2))) > 40


def slices(count=24):
    images, masks = (each[:, 0].numpy() for each in heads(count))
    classes = np.where(np.arange(count) % 4 == 3, NONE, np.arange(count) % 4)
    groups = np.array([f"p{number // 4}-{kind}" for number, kind in enumerate(classes)])
    return Slices(images, masks * (classes != NONE)[:, None, None].astype(np.uint8), classes, groups)


SMALL = RunSettings(phases=(Phase(64, 96, 1),), batch_size=8, outliers=0.25, reference=16)


def test_a_batch_holds_what_its_settings_say_and_repeats_with_its_seed():
    one, same = (next(Batches(slices(), SMALL, CPU).phase(SMALL.phases[0])) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(one, same, strict=True))
    assert one.pictures.shape == one.masks.shape == (10, 1, 64, 64)
    assert one.outliers.tolist() == [0] * 8 + [1] * 2
    assert (one.classes[6:] == NONE).all()
    assert not one.masks[6:].any()
    alone = next(Batches(slices(), replace(SMALL, foreign=0.0, outliers=0.0), CPU).phase(SMALL.phases[0]))
    assert len(alone.pictures) == 8
    assert alone.masks[6:].any()


def test_losses_fall_where_the_answer_is_right():
    masks = torch.zeros(2, 1, 32, 32)
    masks[0, :, 8:16, 8:16] = 1
    classes = torch.tensor([1, NONE])
    flags = torch.tensor([0.0, 1.0])

    def asked(sign):
        logits = sign * 8.0 * (functional_mask(masks) * 2 - 1)
        classes_said = sign * torch.tensor([[-8.0, 8.0, -8.0], [9.0, 0.0, 0.0]])
        return losses.losses(
            Seen(classes_said, logits, sign * torch.tensor([-8.0, 8.0]), flags), masks, classes, flags, 0
        )

    right, wrong = asked(1), asked(-1)
    assert (right < 0.3).all()
    assert (wrong > 0.9).all()
    assert losses.class_loss(torch.zeros(1, 3), torch.tensor([NONE]), 0.0) == 0


def functional_mask(masks):
    return torch.nn.functional.avg_pool2d(masks, 4)


def test_a_finished_run_is_read_again_and_no_other_run_passes_for_it(tmp_path):
    train, pictures = slices(), np.full((2, SIDE, SIDE), 90, np.uint8)
    held = train.take(np.array([], int))
    workshop = Workshop(tmp_path, SMALL, CPU)
    made = workshop.run("fold_0", train, held)
    written = (tmp_path / "fold_0.pt").stat().st_mtime_ns
    again = workshop.run("fold_0", train, held)
    assert (tmp_path / "fold_0.pt").stat().st_mtime_ns == written
    one, other = (workshop.ask(run, pictures) for run in (made, again))
    assert np.allclose(one.logits, other.logits, atol=1e-5)
    assert np.array_equal(made.resemblance.whitening, again.resemblance.whitening)
    assert made.diary == again.diary
    (tmp_path / "fold_0.json").unlink()
    assert len(workshop.run("fold_0", train, held).diary) == 1
    assert (tmp_path / "fold_0.pt").stat().st_mtime_ns > written
    others = {
        "images": train.images // 2,
        "masks": train.masks // 2,
        "classes": train.classes[::-1],
        "groups": np.where(train.groups == "p0-0", "p1-0", train.groups),  # by how many a patient has, it is weighted
    }
    changed = [(SMALL, replace(train, **{name: values})) for name, values in others.items()]
    for settings, slices_ in ((replace(SMALL, seed=2), train), *changed):
        with pytest.raises(SystemExit, match="other settings or slices"):
            Workshop(tmp_path, settings, CPU).run("fold_0", slices_, held)
