import numpy as np
import onnxruntime
import pytest

from model_export.graph import with_plain_weights
from tests.unit.training.test_graph import FOLDER
from training.int8 import GATED, gate


def test_plain_kernels_answer_like_stored_halves():
    stored = (FOLDER / "model.onnx").read_bytes()
    image = np.random.default_rng(1).integers(0, 255, (1, 224, 224, 3), np.uint8)
    said = [
        onnxruntime.InferenceSession(graph).run(None, {"image": image})
        for graph in (stored, with_plain_weights(stored))
    ]
    assert all(np.allclose(one, other, atol=1e-4) for one, other in zip(*said, strict=True))


def test_a_point_may_be_lost_and_no_more():
    exact = dict.fromkeys(GATED, 0.9)
    assert gate(exact, dict.fromkeys(GATED, 0.895))[GATED[0]]["value"] == pytest.approx(0.005)
    with pytest.raises(SystemExit, match="peak inside the box"):
        gate(exact, exact | {"peak inside the box": 0.88})
