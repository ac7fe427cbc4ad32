import hashlib
import json

import numpy as np
import onnxruntime
import pytest

from model_export.graph import with_plain_weights
from tests.unit.training.test_graph import MODEL
from training.data import Slices
from training.figures.calibrate import Limits
from training.run_settings import NONE
from training.serving import int8
from training.serving.int8 import GATED, LOWER, STRANGERS, gate


def test_plain_kernels_answer_like_stored_halves():
    stored = (MODEL / "2/model.onnx").read_bytes()
    image = np.random.default_rng(1).integers(0, 255, (1, 224, 224, 3), np.uint8)
    graphs = (stored, with_plain_weights(stored))
    said = [onnxruntime.InferenceSession(graph).run(None, {"image": image}) for graph in graphs]
    assert all(np.allclose(one, other, atol=1e-4) for one, other in zip(*said, strict=True))


def test_a_point_may_be_lost_and_no_more():
    exact = dict.fromkeys(GATED, 0.5)
    checks, over = gate(exact, dict.fromkeys(GATED, 0.495))
    assert {name: each["value"] for name, each in checks.items()} == pytest.approx(
        {name: -0.005 if name in LOWER else 0.005 for name in GATED}
    )
    assert over == []
    for name in GATED:
        worse, better = (0.52, 0.48) if name in LOWER else (0.48, 0.52)
        assert gate(exact, exact | {name: worse})[1] == [name]
        assert gate(exact, exact | {name: better})[1] == []


@pytest.fixture
def made(tmp_path):
    """What a run leaves: a version and a fold, here with the same graph; no limit lets a picture of noise pass."""
    graph = (MODEL / "2/model.onnx").read_bytes()
    limits = Limits(strangeness=100, seen=0.0, probability=0.0, mask=0.35)
    for name in ("version", "fold_0"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.onnx").write_bytes(graph)
        document = {"files": {}, "training": {"limits": limits.document()}}
        (tmp_path / name / "export.json").write_text(json.dumps(document))
    return tmp_path


def slices():
    chance = np.random.default_rng(2)
    images = chance.integers(0, 255, (16, 224, 224), np.uint8)
    masks = np.zeros_like(images)
    masks[:12, 80:140, 80:140] = 255
    return Slices(images, masks, np.repeat([0, 1, 2, NONE], 4), np.array([f"p{number // 2}" for number in range(16)]))


def test_what_keeps_its_figures_is_served_in_int8(made, monkeypatch):
    monkeypatch.setattr(int8, "LARGEST_LOSS", 1.0)
    said = int8.add(made / "version", slices(), made / "fold_0", slices().take(np.arange(4)), slices().images[:2])
    described = json.loads((made / "version/export.json").read_bytes())["files"]["model.cpu.onnx"]
    content = (made / "version/model.cpu.onnx").read_bytes()
    assert (described["precision"], described["sha256"]) == ("INT8", hashlib.sha256(content).hexdigest())
    assert f"unseen patients: {STRANGERS}" in described["checks"]
    assert f"served: {GATED[0]}" in said
    assert content != (made / "version/model.onnx").read_bytes()


def test_what_loses_more_is_served_in_fp32_and_says_why(made, monkeypatch):
    monkeypatch.setattr(int8, "LARGEST_LOSS", -1.0)
    int8.add(made / "version", slices(), made / "fold_0", slices().take(np.arange(4)), slices().images[:2])
    described = json.loads((made / "version/export.json").read_bytes())["files"]["model.cpu.onnx"]
    assert described["precision"] == "FP32"
    assert "Dice of the outline" in described["reason"]
    assert (made / "version/model.cpu.onnx").read_bytes() == (made / "version/model.onnx").read_bytes()
    assert {each.name for each in (made / "version").iterdir()} == {"model.onnx", "model.cpu.onnx", "export.json"}
