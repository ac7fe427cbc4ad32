"""What needs PyTorch, which only the environment of training has."""

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from training import losses  # noqa: E402
from training.augmentation import places  # noqa: E402
from training.augmentation.augment import Augmentation  # noqa: E402
from training.augmentation.chance import Chance  # noqa: E402
from training.export import ServedGraph, export  # noqa: E402
from training.network import Network  # noqa: E402
from training.run_settings import SIDE  # noqa: E402

CPU = torch.device("cpu")


def test_graph_answers_like_the_network():
    torch.manual_seed(1)
    network = Network(0.5).eval()
    images = np.random.default_rng(1).integers(0, 255, (3, SIDE, SIDE, 3), np.uint8)
    graph = export(network, 1.5)
    onnx.checker.check_model(onnx.load_from_string(graph), full_check=True)
    said = onnxruntime.InferenceSession(graph).run(None, {"image": images})
    with torch.no_grad():
        wanted = ServedGraph(network, 1.5)(torch.from_numpy(images))
    assert all(np.allclose(one, other, atol=1e-2) for one, other in zip(said, wanted, strict=True))


def test_a_box_moves_with_what_it_encloses():
    images = torch.zeros(32, 256, 256, dtype=torch.uint8)
    images[:, 96:128, 112:160] = 255
    boxes = torch.tensor([[112 / 256, 96 / 256, 160 / 256, 128 / 256]]).repeat(32, 1)
    placement = places.draw(torch.tensor([[0.2, 0.2, 0.9, 0.8]]).repeat(32, 1), Chance(3, CPU))
    pictures, moved = places.cut(images.unsqueeze(1).float(), placement, SIDE)[:, 0], places.move(boxes, placement)
    for picture, box in zip(pictures, moved, strict=True):
        rows, columns = torch.nonzero(picture > 127, as_tuple=True)
        centre = torch.stack([columns.float().mean(), rows.float().mean()]) / SIDE
        if centre.min() > 0.2 and centre.max() < 0.8:
            assert torch.allclose(centre, (box[:2] + box[2:]) / 2, atol=0.02)


def test_augmentation_repeats_with_its_seed():
    images = torch.randint(0, 255, (4, 256, 256), dtype=torch.uint8)
    boxes, heads = torch.full((4, 4), 0.4), torch.tensor([[0.0, 0.0, 1.0, 1.0]]).repeat(4, 1)
    one, other, third = (Augmentation(seed, CPU)(images, boxes, heads)[0] for seed in (1, 1, 2))
    assert torch.equal(one, other)
    assert not torch.equal(one, third)
    assert one.shape == (4, 1, SIDE, SIDE)
    assert one.min() >= 0
    assert one.max() <= 255


def test_heat_asked_for_peaks_in_the_box_and_is_zero_without_a_tumour():
    boxes = torch.tensor([[0.1, 0.5, 0.3, 0.6], [0.0, 0.0, 0.0, 0.0]])
    heat = losses.target_heat(boxes, torch.tensor([0, 2]))
    row, column = divmod(int(heat[0, 0].argmax()), heat.shape[-1])
    assert 0.5 < (row + 0.5) / heat.shape[-1] < 0.6
    assert 0.1 < (column + 0.5) / heat.shape[-1] < 0.3
    assert heat[0].max() == pytest.approx(1)
    assert heat[1].max() == 0


def test_box_loss_falls_to_zero_where_boxes_meet():
    boxes = torch.tensor([[0.2, 0.3, 0.6, 0.7]])
    target = losses.target_heat(boxes, torch.tensor([0]))
    right = boxes.view(1, 4, 1, 1).expand(1, 4, *target.shape[2:])
    assert losses.box_loss(right, boxes, target) == pytest.approx(0, abs=1e-5)
    assert losses.box_loss(right + 0.1, boxes, target) > 0.3
