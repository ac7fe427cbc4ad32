import numpy as np
import onnxruntime
import pytest

from model_export.graph import with_plain_weights
from tests.unit.training.test_graph import MODEL
from training.serving.int8 import GATED, gate


def test_plain_kernels_answer_like_stored_halves():
    stored = (MODEL / "2/model.onnx").read_bytes()
    image = np.random.default_rng(1).integers(0, 255, (1, 224, 224, 3), np.uint8)
    graphs = (stored, with_plain_weights(stored))
    said = [onnxruntime.InferenceSession(graph).run(None, {"image": image}) for graph in graphs]
    assert all(np.allclose(one, other, atol=1e-4) for one, other in zip(*said, strict=True))


def test_a_point_may_be_lost_and_no_more():
    exact = dict.fromkeys(GATED, 0.9)
    checks, over = gate(exact, dict.fromkeys(GATED, 0.895))
    assert checks[GATED[0]]["value"] == pytest.approx(0.005)
    assert over == []
    assert gate(exact, exact | {"peak on the tumour": 0.88})[1] == ["peak on the tumour"]
