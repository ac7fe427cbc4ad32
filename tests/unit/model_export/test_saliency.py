import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import helper

from model_export.export_errors import ExportError
from model_export.graph import GraphEditor
from model_export.saliency import GRADIENT, add_hirescam
from model_export.verify import open_session, run

GRID, CHANNELS, HIDDEN, CLASSES = 2, 3, 5, 4
RANDOM = np.random.default_rng(1)
W1 = RANDOM.normal(size=(GRID * GRID * CHANNELS, HIDDEN)).astype(np.float32)
B1 = RANDOM.normal(size=HIDDEN).astype(np.float32)
SCALE = RANDOM.normal(size=HIDDEN).astype(np.float32)
W2 = RANDOM.normal(size=(HIDDEN, CLASSES)).astype(np.float32)
ACTIVATIONS = RANDOM.uniform(size=(6, GRID * GRID * CHANNELS)).astype(np.float32)


def head_with_saliency(activation: str = "Relu") -> bytes:
    graph = onnx.GraphProto(name="head")
    graph.input.append(helper.make_tensor_value_info("flat", onnx.TensorProto.FLOAT, ["batch", W1.shape[0]]))
    for name in "logits", GRADIENT, "saliency":
        graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    editor = GraphEditor(graph)
    w1, b1, scale, w2 = (
        editor.constant(name, value, np.float32)
        for name, value in {"w1": W1, "b1": B1, "scale": SCALE, "w2": W2}.items()
    )
    editor.add("MatMul", ["flat", w1], "product")
    editor.add("Add", ["product", b1], "biased")
    editor.add(activation, ["biased"], "active")
    editor.add("Mul", ["active", scale], "scaled")
    editor.add("MatMul", ["scaled", w2], "logits")
    add_hirescam(editor, flat="flat", logits="logits", grid=GRID, classes=CLASSES, output="saliency")
    model = helper.make_model(graph, ir_version=7, opset_imports=[helper.make_opsetid("", 13)])
    serialised: bytes = model.SerializeToString()
    return serialised


def expected(flat: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Gradient and map of one picture, by the chain rule written out."""
    hidden = flat @ W1.astype(np.float64) + B1
    logits = (np.maximum(hidden, 0) * SCALE) @ W2
    gradient = W1 @ ((hidden > 0) * SCALE * W2[:, logits.argmax()])
    cells = np.maximum((gradient * flat).reshape(GRID, GRID, CHANNELS).sum(axis=2), 0)
    return gradient, cells / cells.max() if cells.max() else cells


def test_each_picture_of_a_batch_gets_the_map_of_its_own_class() -> None:
    answer = run(open_session(head_with_saliency()), ACTIVATIONS)
    assert len(set(answer["logits"].argmax(axis=1))) > 1
    for index, flat in enumerate(ACTIVATIONS):
        gradient, saliency = expected(flat)
        np.testing.assert_allclose(answer[GRADIENT][index], gradient, rtol=0, atol=1e-5)
        np.testing.assert_allclose(answer["saliency"][index], saliency, rtol=0, atol=1e-5)


def test_a_map_without_a_positive_cell_is_zero() -> None:
    nothing = np.zeros((1, W1.shape[0]), np.float32)
    saliency = run(open_session(head_with_saliency()), nothing)["saliency"]
    np.testing.assert_array_equal(saliency, np.zeros((1, GRID, GRID), np.float32))


def test_an_unknown_operation_in_the_head_is_refused() -> None:
    with pytest.raises(ExportError, match="no gradient is known for Sigmoid 'active'"):
        head_with_saliency(activation="Sigmoid")
