"""The quantised graph is what AVX2 can run exactly, and its gate can fail."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from model_export import brain_mri_int8, verify
from model_export.export_errors import CheckError
from model_export.quantise import quantise_convolutions

Images = npt.NDArray[np.uint8]


def small_network(scale: float = 1.0) -> bytes:
    """Two convolutions with Relu, and a dense head with two classes: `image` (N, 8, 8, 3) to `probabilities`."""
    random = np.random.default_rng(0)
    constants = {
        "white": np.float32(255),
        "w1": random.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "b1": random.normal(size=4).astype(np.float32),
        "w2": random.normal(size=(5, 4, 3, 3)).astype(np.float32),
        "b2": random.normal(size=5).astype(np.float32),
        "head": (scale * random.normal(size=(180, 2))).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "white"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "w1", "b1"], ["c1"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], "conv2"),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("Flatten", ["r2"], ["flat"]),
        helper.make_node("MatMul", ["flat", "head"], ["logits"], "dense"),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 8, 8, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    serialised: bytes = model.SerializeToString()
    return serialised


@pytest.fixture(scope="module")
def images() -> Images:
    return np.random.default_rng(1).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def quantised(images: Images) -> bytes:
    return quantise_convolutions(small_network(), images)


def constants_of(model: bytes) -> Mapping[str, npt.NDArray[np.generic]]:
    return {item.name: numpy_helper.to_array(item) for item in onnx.load_from_string(model).graph.initializer}


def test_two_exports_are_the_same_bytes(quantised: bytes, images: Images) -> None:
    again = quantise_convolutions(small_network(), images)
    assert hashlib.sha256(again).hexdigest() == hashlib.sha256(quantised).hexdigest()


def test_the_answers_stay_close_one_by_one_and_in_a_batch(quantised: bytes, images: Images) -> None:
    session = verify.open_session(quantised)
    exact = verify.run(verify.open_session(small_network(0.01)), images)["probabilities"]
    close = verify.run(verify.open_session(quantise_convolutions(small_network(0.01), images)), images)["probabilities"]
    np.testing.assert_allclose(close, exact, atol=0.01)
    assert not np.array_equal(close, exact)
    singles = verify.run_one_by_one(session, images)["probabilities"]
    np.testing.assert_allclose(verify.run(session, images)["probabilities"], singles, atol=1e-6)


def test_only_convolutions_are_quantised_a_scale_a_channel(quantised: bytes) -> None:
    constants = constants_of(quantised)
    assert constants["w1_quantized"].dtype == np.int8
    assert constants["w1_scale"].shape == (4,)
    assert constants["w2_scale"].shape == (5,)
    assert constants["head"].dtype == np.float32
    assert constants["planes_zero_point"].dtype == np.uint8


def test_two_products_fit_in_the_16_bits_that_avx2_adds_them_in(quantised: bytes) -> None:
    for name in "w1_quantized", "w2_quantized":
        assert 2 * 255 * int(np.abs(constants_of(quantised)[name].astype(int)).max()) <= np.iinfo(np.int16).max


def test_no_float_relu_is_left_between_the_convolutions(quantised: bytes) -> None:
    """A Relu that is not folded costs half of the range: its input would be quantised with the negative values."""
    nodes = onnx.load_from_string(quantised).graph.node
    assert "Relu" not in {node.op_type for node in nodes}
    assert constants_of(quantised)["r1_zero_point"] == 0


def test_bounds_have_four_digits(quantised: bytes) -> None:
    """The last bits of a sum, which depend on the CPU, do not reach the exported file."""
    bound = constants_of(quantised)["r1_scale"].item() * 255
    assert bound == pytest.approx(float(f"{bound:.3e}"), rel=1e-6)


@pytest.fixture(scope="module")
def few_samples(brain_mri_samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    for name in "glioma/Te-gl_0010.jpg", "pituitary/Te-pi_0014.jpg":
        (folder / name).parent.mkdir()
        (folder / name).write_bytes((brain_mri_samples / name).read_bytes())
    return folder


def test_the_gate_holds_for_the_exported_model_and_fails_for_another(
    brain_mri_samples: Path, few_samples: Path
) -> None:
    folder = brain_mri_samples.parents[2] / "model_repository/brain_mri/1"
    served, cpu = (folder / "model.onnx").read_bytes(), (folder / "model.cpu.onnx").read_bytes()
    checks = brain_mri_int8.check(served, cpu, few_samples)
    assert set(checks) == {
        "probabilities_moved",
        "labels_differing",
        "saliency_moved",
        "strangeness_moved",
        "verdicts_differing",
        "probabilities_in_a_batch",
        "saliency_in_a_batch",
        "strangeness_in_a_batch",
    }
    model = onnx.load_from_string(cpu)
    bias = next(item for item in model.graph.initializer if item.name.endswith("dense_3_1/BiasAdd/ReadVariableOp:0"))
    bias.CopyFrom(numpy_helper.from_array(np.array([0, 9, 0, 0], np.float32), bias.name))
    with pytest.raises(CheckError, match="moved failed"):
        brain_mri_int8.check(served, model.SerializeToString(), few_samples)
    model = onnx.load_from_string(cpu)
    far = next(item for item in model.graph.initializer if item.name == "strangeness/far")
    far.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(far) * np.float32(0.9), far.name))
    with pytest.raises(CheckError, match="strangeness_moved failed"):
        brain_mri_int8.check(served, model.SerializeToString(), few_samples)
