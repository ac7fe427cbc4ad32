"""Each check passes on the real graph and fails on one that is wrong in the way it is there for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

from model_export import verify
from model_export.brain_mri import FEATURES, LOGITS, SIDE, build
from model_export.export_errors import CheckError
from model_export.graph import GraphEditor

Images = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def served(brain_mri_weights: Path) -> bytes:
    return build(brain_mri_weights)


@pytest.fixture(scope="module")
def images(brain_mri_samples: Path) -> Images:
    paths = [brain_mri_samples / "glioma" / "Te-gl_0010.jpg", brain_mri_samples / "meningioma" / "Te-me_0017.jpg"]
    return verify.load_images(paths, SIDE)


def edited(served: bytes, edit: Callable[[GraphEditor], None]) -> bytes:
    model = onnx.load_from_string(served)
    edit(GraphEditor(model.graph))
    serialised: bytes = model.SerializeToString()
    return serialised


def set_constant(editor: GraphEditor, name: str, value: npt.ArrayLike) -> None:
    constant = next(item for item in editor.graph.initializer if item.name == name)
    constant.CopyFrom(numpy_helper.from_array(np.asarray(value, numpy_helper.to_array(constant).dtype), name))


def set_operation(editor: GraphEditor, tensor: str, op_type: str) -> None:
    editor.producer(tensor).op_type = op_type


def test_pictures_are_loaded_with_the_pinned_filter(brain_mri_samples: Path, images: Images) -> None:
    with Image.open(brain_mri_samples / "glioma" / "Te-gl_0010.jpg") as image:
        expected = image.convert("RGB").resize((240, 240), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(images[0], np.asarray(expected))
    assert images.dtype == np.uint8


def test_probabilities_as_source(served: bytes, brain_mri_weights: Path, images: Images) -> None:
    source = verify.open_session(brain_mri_weights.read_bytes())
    one = images[:1]
    check = verify.same_as_source(source, one, verify.run(verify.open_session(served), one))
    assert check.value <= check.limit == 1e-5
    wrong = edited(served, lambda editor: set_constant(editor, "image/white", 250))
    with pytest.raises(CheckError, match=r"probabilities_as_source failed: .* is over the limit of 1e-05"):
        verify.same_as_source(source, one, verify.run(verify.open_session(wrong), one))


def test_a_batch_is_as_its_pictures(served: bytes, images: Images) -> None:
    session = verify.open_session(served)
    checks = verify.same_in_a_batch(session, images, verify.run_one_by_one(session, images))
    assert [check.name for check in checks] == [
        f"{name}_in_a_batch" for name in ("probabilities", "saliency", "strangeness")
    ]


@pytest.mark.parametrize("mixed", ["probabilities", "saliency", "strangeness"])
def test_a_graph_that_mixes_the_pictures_of_a_batch_is_refused(mixed: str) -> None:
    graph = onnx.GraphProto(name="mixing")
    graph.input.append(helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["batch", 3]))
    for name in "probabilities", "saliency", "strangeness":
        graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        GraphEditor(graph).add("Softmax", ["image"], name, axis=0 if name == mixed else 1)
    model = helper.make_model(graph, ir_version=7, opset_imports=[helper.make_opsetid("", 13)])
    session = verify.open_session(model.SerializeToString())
    images = np.eye(3, dtype=np.float32)
    with pytest.raises(CheckError, match=f"{mixed}_in_a_batch"):
        verify.same_in_a_batch(session, images, verify.run_one_by_one(session, images))


def test_saliency_is_the_gradient(served: bytes, brain_mri_weights: Path, images: Images) -> None:
    head = verify.Head(brain_mri_weights.read_bytes(), FEATURES, LOGITS)
    for check in verify.saliency_is_the_gradient(served, head, images):
        assert 0 < check.value < 1e-5


@pytest.mark.parametrize(
    ("edit", "check"),
    [
        (lambda editor: set_constant(editor, "saliency/zero", -1), "gradient"),
        (lambda editor: set_constant(editor, "saliency/off_on", [1, 0]), "gradient"),
        (lambda editor: set_operation(editor, "saliency/positive", "Abs"), "saliency"),
        (lambda editor: set_operation(editor, "saliency/peak", "ReduceMean"), "saliency"),
    ],
    ids=["no ReLU mask", "the other classes", "negative cells kept", "another scale"],
)
def test_a_wrong_gradient_or_map_is_refused(
    served: bytes, brain_mri_weights: Path, images: Images, edit: Callable[[GraphEditor], None], check: str
) -> None:
    head = verify.Head(brain_mri_weights.read_bytes(), FEATURES, LOGITS)
    with pytest.raises(CheckError, match=f"{check}_as_finite_differences"):
        verify.saliency_is_the_gradient(edited(served, edit), head, images[:1])


def test_a_picture_of_another_class_is_refused() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert verify.all_recognised(probabilities, np.array([0, 1])).value == 0
    with pytest.raises(CheckError, match="samples_missed failed: 1 is over the limit of 0"):
        verify.all_recognised(probabilities, np.array([1, 1]))


def test_a_picture_on_the_other_side_of_the_limit_is_refused() -> None:
    exact = np.array([[0.2], [1.1], [1.12]])
    assert verify.verdicts_differing(exact * 0.999, exact, 1.1).value == 0
    with pytest.raises(CheckError, match="verdicts_differing failed: 1 is over the limit of 0"):
        verify.verdicts_differing(exact * 1.02, exact, 1.1)


def test_not_a_number_is_over_every_limit() -> None:
    with pytest.raises(CheckError, match="nan"):
        verify.require("name", np.array([np.nan]), np.array([0.0]), 1)
    with pytest.raises(ValueError, match=r"shapes \(1,\) and \(2,\)"):
        verify.require("name", np.zeros(1), np.zeros(2), 1)
