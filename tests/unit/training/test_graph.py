"""The committed graphs keep their promises: contract, size, arithmetic, record."""

import hashlib
import json
from math import prod
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

SIDE = 224
MODEL = Path(__file__).parents[3] / "model_repository" / "brain_tumour"
OUTPUTS = {
    "1": {"probabilities": (4,), "heatmap": (28, 28), "boxes": (28, 28, 4)},
    "2": {"probabilities": (3,), "mask": (56, 56), "strangeness": (1,)},
}


@pytest.fixture(params=OUTPUTS, scope="module")
def version(request):
    return request.param


@pytest.fixture(scope="module")
def session(version):
    return onnxruntime.InferenceSession(MODEL / version / "model.onnx", providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def images():
    chance = np.random.default_rng(3)
    coarse = chance.integers(0, 255, (3, 14, 14, 1), np.uint8)
    return np.repeat(coarse.repeat(16, 1).repeat(16, 2), 3, 3)


def test_contract(version, session, images):
    (entry,) = session.get_inputs()
    assert (entry.name, entry.type, entry.shape[1:]) == ("image", "tensor(uint8)", [SIDE, SIDE, 3])
    assert isinstance(entry.shape[0], str)
    found = dict(zip(OUTPUTS[version], session.run(list(OUTPUTS[version]), {"image": images}), strict=True))
    assert {each.name for each in session.get_outputs()} == OUTPUTS[version].keys()
    for name, array in found.items():
        assert (array.dtype, array.shape) == (np.float32, (3, *OUTPUTS[version][name]))
        assert array.min() >= 0
        assert array.max() <= 1 or name == "strangeness"
    assert np.allclose(found["probabilities"].sum(1), 1, atol=1e-5)
    if "boxes" in found:
        assert (found["boxes"][..., 2:] >= found["boxes"][..., :2]).all()


def test_a_batch_answers_like_single_pictures(session, images):
    together = session.run(None, {"image": images})
    for index in range(3):
        alone = session.run(None, {"image": images[index : index + 1]})
        assert all(np.allclose(one[0], all_[index], atol=1e-4) for one, all_ in zip(alone, together, strict=True))


def test_size_and_arithmetic(version):
    path = MODEL / version / "model.onnx"
    assert path.stat().st_size <= 3e6
    assert multiplications(path) * 2 <= 0.6e9


def multiplications(path):
    """Multiply-adds of the convolutions and the dense layers, for one picture."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True).graph
    shapes = {value.name: [side.dim_value for side in value.type.tensor_type.shape.dim] for value in graph.value_info}
    kernels = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    kernels |= {
        node.output[0]: kernels[node.input[0]]
        for node in graph.node
        if node.op_type == "Cast" and node.input[0] in kernels
    }
    layers = [node for node in graph.node if node.op_type == "Conv"]
    assert len(layers) > 30
    total = sum(prod(kernels[node.input[1]]) for node in graph.node if node.op_type in {"Gemm", "MatMul"})
    for node in layers:
        assert min(shapes[node.output[0]][2:]) > 0, node.name
        total += prod(shapes[node.output[0]][2:]) * prod(kernels[node.input[1]])
    return total


def test_record_and_card_name_the_graph(version):
    content = (MODEL / version / "model.onnx").read_bytes()
    record = json.loads((MODEL / version / "export.json").read_bytes())
    assert record["files"]["model.onnx"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert record["files"]["model.onnx"]["bytes"] == len(content)
    assert record["source"]["package"] == "oncoserve training"


STATED = {
    "class accuracy where it answers": "class accuracy where it answers",
    "of slices with a tumour get an answer": "answers, slices with a tumour",
    "of the masks peak on the tumour, where it answers": "peak on the tumour where it answers",
    "mean Dice of the outline, where it answers": "Dice of the outline where it answers",
    "expected calibration error": "expected calibration error of all",
    "of another source's slices without a tumour are called one": "slices without a tumour called one",
}
"""The card's figures, and what the training calls them."""


def test_the_card_has_the_limits_and_figures_that_the_training_recorded():
    card = json.loads((MODEL / "card.json").read_bytes())
    training = json.loads((MODEL / "2/export.json").read_bytes())["training"]
    limits, stated = training["limits"], card["delineation"]
    assert (stated["least_mask"], stated["least_seen"], stated["least_probability"], stated["most_strangeness"]) == (
        pytest.approx((limits["mask"], limits["seen"], limits["probability"], limits["strangeness"]), abs=1e-4)
    )
    shares = [limits[f"{name}_coverage"] for name in ("strangeness", "seen", "probability")]
    assert stated["coverage"] == pytest.approx(prod(shares), abs=1e-3)
    figures = {each["metric"]: each["value"] for each in card["performance"]}
    strangers = figures.pop("of pictures that are no brain slice get a class")
    assert strangers == pytest.approx(training["resemblance"]["strangers given a class, the others"], abs=1e-3)
    assert figures == pytest.approx({name: training["test"][own]["value"] for name, own in STATED.items()}, abs=1e-3)
