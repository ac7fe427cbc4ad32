"""The committed graph keeps its promises: contract, size, arithmetic, record."""

import hashlib
import json
from math import prod
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

SIDE, CELLS = 224, 28
"""Of version 1."""
FOLDER = Path(__file__).parents[3] / "model_repository" / "brain_tumour" / "1"


@pytest.fixture(scope="module")
def session():
    return onnxruntime.InferenceSession(str(FOLDER / "model.onnx"), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def images():
    chance = np.random.default_rng(3)
    coarse = chance.integers(0, 255, (3, 14, 14, 1), np.uint8)
    return np.repeat(coarse.repeat(16, 1).repeat(16, 2), 3, 3)


def test_contract(session, images):
    (entry,) = session.get_inputs()
    assert (entry.name, entry.type, entry.shape[1:]) == ("image", "tensor(uint8)", [SIDE, SIDE, 3])
    assert isinstance(entry.shape[0], str)
    probabilities, heatmap, boxes = session.run(["probabilities", "heatmap", "boxes"], {"image": images})
    assert probabilities.shape == (3, 4)
    assert heatmap.shape == (3, CELLS, CELLS)
    assert boxes.shape == (3, CELLS, CELLS, 4)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5)
    for each in (probabilities, heatmap, boxes):
        assert each.dtype == np.float32
        assert each.min() >= 0
        assert each.max() <= 1
    assert (boxes[..., 2:] >= boxes[..., :2]).all()


def test_a_batch_answers_like_single_pictures(session, images):
    together = session.run(None, {"image": images})
    for index in range(3):
        alone = session.run(None, {"image": images[index : index + 1]})
        assert all(np.allclose(one[0], all_[index], atol=1e-4) for one, all_ in zip(alone, together, strict=True))


def test_size_and_arithmetic():
    assert (FOLDER / "model.onnx").stat().st_size <= 3e6
    assert multiplications(FOLDER / "model.onnx") * 2 <= 0.6e9


def multiplications(path):
    """Multiply-adds of the convolutions and the dense layer, for one picture."""
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


def test_record_names_the_graph():
    content = (FOLDER / "model.onnx").read_bytes()
    record = json.loads((FOLDER / "export.json").read_bytes())
    assert record["files"]["model.onnx"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert record["files"]["model.onnx"]["bytes"] == len(content)
    assert record["source"]["package"] == "oncoserve training"
    assert record["training"]["test"]["peak inside the box"]["value"] > 0.8
