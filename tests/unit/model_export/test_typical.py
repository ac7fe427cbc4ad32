import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from model_export.brain_mri import MOST_STRANGENESS, TYPICAL
from model_export.graph import GraphEditor
from model_export.strangeness.distance_nodes import add_features, add_strangeness
from model_export.strangeness.typical import Typical
from model_export.verify import open_session, run

from .conftest import CHECKOUT

RANDOM = np.random.default_rng(1)
MADE = Typical(
    centre=RANDOM.normal(size=6).astype(np.float32),
    axes=RANDOM.normal(size=(6, 4)).astype(np.float16),
    means=RANDOM.normal(size=(3, 4)).astype(np.float32),
    far=np.array(2.5, np.float32),
)


def test_the_graph_computes_what_the_statistics_say() -> None:
    graph = onnx.GraphProto(name="distance")
    graph.input.append(helper.make_tensor_value_info("activations", onnx.TensorProto.FLOAT, ["batch", 6, 5, 5]))
    for name in "features", "strangeness":
        graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    editor = GraphEditor(graph)
    add_strangeness(editor, add_features(editor, "activations", "features"), MADE, "strangeness")
    model = helper.make_model(graph, ir_version=7, opset_imports=[helper.make_opsetid("", 13)])
    activations = RANDOM.uniform(size=(7, 6, 5, 5)).astype(np.float32)
    activations[3] = 0
    answer = run(open_session(model.SerializeToString()), activations)
    np.testing.assert_allclose(answer["features"], np.sqrt(activations.mean((2, 3))), atol=1e-6)
    np.testing.assert_allclose(answer["strangeness"][:, 0], MADE.strangeness(answer["features"]), rtol=1e-5)


def test_strangeness_is_the_distance_to_the_nearest_class() -> None:
    features = MADE.centre + np.linalg.pinv(MADE.axes.astype(np.float32)).T @ MADE.means[1]
    there, beyond = MADE.strangeness(np.stack([features, features + 100]))
    assert there == pytest.approx(0, abs=1e-5)
    assert beyond > 1


def test_statistics_are_the_same_after_a_file_and_in_bytes(tmp_path: Path) -> None:
    (tmp_path / "made.npz").write_bytes(MADE.content())
    read = Typical.read(tmp_path / "made.npz")
    assert all(np.array_equal(value, getattr(MADE, name)) for name, value in vars(read).items())
    assert read.content() == MADE.content()


def test_the_checks_are_held_at_the_limit_on_the_card() -> None:
    card = json.loads((CHECKOUT.root / "model_repository/brain_mri/card.json").read_bytes())
    assert card["resemblance"]["most_strangeness"] == MOST_STRANGENESS


def test_the_committed_statistics_are_small_and_of_numbers() -> None:
    assert TYPICAL.stat().st_size < 400_000
    shipped = Typical.read(TYPICAL)
    assert (len(shipped.centre), len(shipped.axes), len(shipped.means)) == (512, 512, 4)
    assert all(np.isfinite(values).all() for values in vars(shipped).values())
