import hashlib
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from model_export.brain_mri import TYPICAL, build, check
from model_export.export_errors import CheckError
from model_export.strangeness.typical import Typical
from model_export.verify import load_images, open_session, run


@pytest.fixture(scope="module")
def served(brain_mri_weights: Path) -> bytes:
    return build(brain_mri_weights)


def test_two_exports_are_the_same_bytes(served: bytes, brain_mri_weights: Path) -> None:
    assert hashlib.sha256(build(brain_mri_weights)).hexdigest() == hashlib.sha256(served).hexdigest()


def test_the_contract_of_the_graph(served: bytes) -> None:
    session = open_session(served)
    assert [(item.name, item.type, item.shape) for item in session.get_inputs()] == [
        ("image", "tensor(uint8)", ["batch", 240, 240, 3])
    ]
    assert [(item.name, item.type, item.shape) for item in session.get_outputs()] == [
        ("probabilities", "tensor(float)", ["batch", 4]),
        ("saliency", "tensor(float)", ["batch", 7, 7]),
        ("strangeness", "tensor(float)", ["batch", 1]),
    ]


def test_onnx_runtime_1_18_can_load_it(served: bytes) -> None:
    model = onnx.load_from_string(served)
    assert model.ir_version <= 9
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 13)]


def test_the_weights_are_held_once_and_the_dynamic_flatten_is_gone(served: bytes, brain_mri_weights: Path) -> None:
    statistics = 4 * sum(values.size for values in vars(Typical.read(TYPICAL)).values())
    assert len(served) - brain_mri_weights.stat().st_size - statistics < 16_384
    operations = {node.op_type for node in onnx.load_from_string(served).graph.node}
    assert operations.isdisjoint({"Shape", "Gather", "Slice", "Concat"})


def test_a_real_picture_in_a_batch_of_three(served: bytes, brain_mri_samples: Path) -> None:
    images = load_images([brain_mri_samples / "pituitary" / "Te-pi_0014.jpg"], 240)
    answer = run(open_session(served), np.repeat(images, 3, axis=0))
    np.testing.assert_allclose(answer["probabilities"].sum(axis=1), 1, atol=1e-6)
    assert answer["probabilities"].argmax(axis=1).tolist() == [3, 3, 3]
    assert answer["saliency"].shape == (3, 7, 7)
    assert answer["saliency"].min() >= 0
    assert answer["saliency"].max(axis=(1, 2)).tolist() == [1, 1, 1]
    assert 0 < answer["strangeness"].min() <= answer["strangeness"].max() < 1


def test_what_is_no_slice_is_strange(served: bytes) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1, 240, 240, 3), dtype=np.uint8)
    pictures = np.concatenate([np.zeros_like(noise), np.full_like(noise, 255), noise])
    assert run(open_session(served), pictures)["strangeness"].min() > 1


def test_every_check_runs_on_the_samples(
    served: bytes, brain_mri_weights: Path, brain_mri_samples: Path, tmp_path: Path
) -> None:
    for name in "glioma/Te-gl_0010.jpg", "pituitary/Te-pi_0014.jpg":
        (tmp_path / name).parent.mkdir()
        shutil.copy(brain_mri_samples / name, tmp_path / name)
    checks = check(brain_mri_weights, served, tmp_path)
    assert set(checks) == {
        "probabilities_as_source",
        "samples_missed",
        "probabilities_in_a_batch",
        "saliency_in_a_batch",
        "strangeness_in_a_batch",
        "gradient_as_finite_differences",
        "saliency_as_finite_differences",
    }
    (tmp_path / "pituitary").rename(tmp_path / "notumor")
    with pytest.raises(CheckError, match="samples_missed failed: 1 is over"):
        check(brain_mri_weights, served, tmp_path)
