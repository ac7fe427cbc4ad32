"""The FP16 graph: where it is in float16, what it answers, and what its gate sees on a CPU."""

from collections import Counter

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from model_export.export_errors import CheckError
from model_export.half import half_gate
from model_export.half.half_graph import to_half
from model_export.verify import open_session, run

IMAGES = np.random.default_rng(2).integers(0, 256, (4, 8, 8, 3), np.uint8)


def tiny(first: float = 0.01, between: str = "") -> bytes:
    """Pixels, their squares, two convolutions with perhaps another node between, a softmax: `probabilities` (N, 2)."""
    random = np.random.default_rng(1)
    weights = {
        "white": np.array(255, np.float32),
        "w1": (first * random.standard_normal((4, 3, 3, 3))).astype(np.float32),
        "w2": random.standard_normal((2, 4, 3, 3)).astype(np.float32),
        "scale": np.ones(4, np.float32),
        "bias": np.zeros(4, np.float32),
        "twice": np.array([1, 1, 2, 2], np.float32),
    }
    inputs = {"InstanceNormalization": ["r", "scale", "bias"], "Resize": ["r", "", "twice"]}
    middle = [helper.make_node(between, inputs[between], ["n"], name="n")] if between else []
    nodes = [
        helper.make_node("Cast", ["image"], ["f"], name="f", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "f"], ["squared"], name="squared"),
        helper.make_node("Div", ["squared", "white"], ["d"], name="d"),
        helper.make_node("Transpose", ["d"], ["t"], name="t", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "w1"], ["a"], name="a"),
        helper.make_node("Relu", ["a"], ["r"], name="r"),
        *middle,
        helper.make_node("Conv", ["n" if between else "r", "w2"], ["b"], name="b"),
        helper.make_node("GlobalAveragePool", ["b"], ["g"], name="g"),
        helper.make_node("Flatten", ["g"], ["logits"], name="logits"),
        helper.make_node("Softmax", ["logits"], ["probabilities"], name="probabilities", axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 8, 8, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    serialised: bytes = model.SerializeToString()
    return serialised


def types(model: bytes) -> dict[str, int]:
    """The element type of each tensor that a node gives."""
    inferred = onnx.shape_inference.infer_shapes(onnx.load_from_string(model), strict_mode=True).graph
    return {value.name: value.type.tensor_type.elem_type for value in (*inferred.value_info, *inferred.output)}


def test_only_what_lies_between_the_convolutions_is_in_float16() -> None:
    half = to_half(tiny())
    found = types(half)
    floats = {name: found[name] for name in ("a", "r", "b")}
    assert set(floats.values()) == {TensorProto.FLOAT16}
    model = onnx.load_from_string(half)
    operations = Counter(node.op_type for node in model.graph.node)
    assert operations["Cast"] == 3, "of the pixels, and one at each border"
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    assert found[softmax.input[0]] == found["probabilities"] == TensorProto.FLOAT
    kept = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert (kept["w1"], kept["white"]) == (TensorProto.FLOAT16, TensorProto.FLOAT)


@pytest.mark.parametrize("operation", ["InstanceNormalization", "Resize"])
def test_normalisations_and_enlargements_stay_in_float32_between_two_casts(operation: str) -> None:
    half = to_half(tiny(between=operation))
    model = onnx.load_from_string(half)
    (node,) = [node for node in model.graph.node if node.op_type == operation]
    found = types(half)
    assert found[node.input[0]] == found[node.output[0]] == TensorProto.FLOAT
    assert Counter(node.op_type for node in model.graph.node)["Cast"] == 5


@pytest.mark.parametrize("between", ["", "InstanceNormalization", "Resize"])
def test_it_answers_like_the_exact_one_and_is_the_same_bytes_each_time(between: str) -> None:
    exact = tiny(between=between)
    half = to_half(exact)
    assert half == to_half(exact)
    said = [run(open_session(graph), IMAGES)["probabilities"] for graph in (exact, half)]
    np.testing.assert_allclose(said[1], said[0], atol=2e-3)
    assert half_gate.check(exact, half, IMAGES)["probabilities_moved"]["value"] < 2e-3


def test_the_gate_sees_an_overflow_that_a_cpu_alone_does_not() -> None:
    """Weights of 1e3 on squares of pixels pass float16's 65,504; the softmax then has no number to give."""
    exact = tiny(first=1e3)
    half = to_half(exact)
    alone = run(onnxruntime.InferenceSession(half, providers=["CPUExecutionProvider"]), IMAGES)
    assert np.isfinite(alone["probabilities"]).all(), "the CPU computed in float32: `rounded` is needed"
    with pytest.raises(CheckError):
        half_gate.check(exact, half, IMAGES)


def outputs(**changed: npt.NDArray[np.generic]) -> dict[str, npt.NDArray[np.generic]]:
    """Of 1,000 pictures, all of the first class, with the peak in the first cell."""
    probabilities = np.tile(np.array([0.7, 0.3], np.float32), (1000, 1))
    heatmap = np.tile(np.array([[0.9, 0.1], [0.1, 0.1]], np.float32), (1000, 1, 1))
    return {
        "probabilities": probabilities,
        "heatmap": heatmap,
        "boxes": np.zeros((1000, 2, 2, 4), np.float32),
        "mask": heatmap.copy(),
        "strangeness": np.full((1000, 1), 0.5, np.float32),
    } | changed


def first(array: npt.NDArray[np.generic], count: int, value: object) -> npt.NDArray[np.generic]:
    changed = array.copy()
    changed[:count] = value
    return changed


@pytest.mark.parametrize("count", [5, 6])
@pytest.mark.parametrize(
    ("check", "name", "value"),
    [
        ("labels_differing", "probabilities", [0.49, 0.51]),
        ("heatmap_peaks_differing", "heatmap", [[0.1, 0.9], [0.1, 0.1]]),
        ("mask_peaks_differing", "mask", [[0.1, 0.9], [0.1, 0.1]]),
    ],
)
def test_five_of_a_thousand_may_differ_and_no_more(
    monkeypatch: pytest.MonkeyPatch, check: str, name: str, value: object, count: int
) -> None:
    monkeypatch.setattr(half_gate, "PROBABILITY_LIMIT", 1.0)
    exact = outputs()
    half = outputs(**{name: first(exact[name], count, value)})
    if count == 5:
        assert half_gate.compare(exact, half)[check]["value"] == 0.005
    else:
        with pytest.raises(CheckError, match=check):
            half_gate.compare(exact, half)


@pytest.mark.parametrize(
    ("check", "name", "value"),
    [
        ("probabilities_moved", "probabilities", [0.76, 0.24]),
        ("probabilities_moved", "probabilities", np.nan),
        ("box_moved", "boxes", 0.02),
        ("strangeness_moved", "strangeness", 0.53),
    ],
)
def test_one_picture_that_moves_too_far_is_enough(check: str, name: str, value: object) -> None:
    exact = outputs()
    with pytest.raises(CheckError, match=check):
        half_gate.compare(exact, outputs(**{name: first(exact[name], 1, value)}))


def test_levels_of_255_are_compared_as_probabilities() -> None:
    exact = {"probabilities": np.tile(np.array([200, 100], np.uint8).reshape(1, 2, 1, 1), (1, 1, 4, 4))}
    half = {"probabilities": exact["probabilities"] - np.uint8(3)}
    assert half_gate.compare(exact, half)["probabilities_moved"]["value"] == pytest.approx(3 / 255)
