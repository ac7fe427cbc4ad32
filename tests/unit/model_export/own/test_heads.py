"""Segmenters and detectors of others: what is served is what they give, and a folder that the tasks read."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf import text_format
from onnx import TensorProto, helper
from tritonclient.grpc import model_config_pb2

from model_export.own import adding, one_execution
from model_export.own.own_errors import OwnModelError
from model_export.own.wanted import Wanted
from oncoserve.inference.triton import read_configuration
from oncoserve.prediction.model_files import read_cards
from oncoserve.tasks import task_of_kind
from tests.unit.model_export.own.graphs import (
    BOXES,
    SCORES,
    SIDE,
    detector,
    end,
    fixed_detector,
    outliner,
    segmenter,
    torchvision_detector,
)

IMAGES = np.random.default_rng(7).integers(0, 256, (4, SIDE, SIDE, 3)).astype(np.uint8)
BRIGHT, DARK = np.full((1, SIDE, SIDE, 3), 255, np.uint8), np.zeros((1, SIDE, SIDE, 3), np.uint8)


@pytest.fixture
def add(tmp_path, monkeypatch):
    """Adds a graph by what is said; Triton's part is computed by ONNX Runtime, which is what its backend does."""

    def execute(repository, model, image, work):
        session = onnxruntime.InferenceSession(repository / model / "1" / "model.onnx")
        names = [each.name for each in session.get_outputs()]
        return dict(zip(names, session.run(names, {"image": image}), strict=True))

    monkeypatch.setattr(one_execution, "execute", execute)

    def run(graph, **said):
        wanted = Wanted.of({"name": "theirs", **said})
        return adding.add(graph, wanted, tmp_path / "models", [], lambda _: None).parent

    run.left = lambda: list((tmp_path / "models").glob("*"))
    return run


def served(folder, images):
    session = onnxruntime.InferenceSession(folder / "1" / "model.onnx")
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": images}), strict=True))


def given(path, images, layout="NCHW"):
    pixels = (images / 255).astype(np.float32)
    pixels = pixels.transpose(0, 3, 1, 2) if layout == "NCHW" else pixels
    maps = onnxruntime.InferenceSession(path).run(None, {"pixels": pixels})[0]
    return maps if layout == "NCHW" else maps.transpose(0, 3, 1, 2)


def card_of(folder):
    cards, problems = read_cards(folder.parent)
    assert problems == {}
    return cards["theirs"].newest


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("sigmoid", [False, True])
def test_one_channel_is_binary(add, tmp_path, layout, sigmoid):
    path = segmenter(tmp_path / "theirs.onnx", layout=layout, sigmoid=sigmoid)
    folder = add(path, task="segmentation", classes=["tumour"], **({} if sigmoid else {"answers": "logits"}))
    maps = given(path, IMAGES, layout)
    shares = maps if sigmoid else 1 / (1 + np.exp(-maps))
    found = served(folder, IMAGES)["probabilities"]
    assert found.dtype == np.uint8
    assert np.abs(found.astype(float) - 255 * shares).max() <= 0.5 + 1e-3
    part = card_of(folder).segmentation
    assert (part.kind, part.threshold, part.tiles) == ("binary", 0.5, None)
    assert "max_batch_size: 8" in (folder / "config.pbtxt").read_text()


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("opset", [11, 17])
def test_channels_that_exclude_each_other_and_one_that_is_none(add, tmp_path, softmax, opset):
    path = segmenter(tmp_path / "theirs.onnx", channels=3, softmax=softmax, opset=opset if not softmax else 17)
    folder = add(path, task="segmentation", classes=["background", "gland", "stroma"])
    maps = given(path, IMAGES)
    powers = np.exp(maps - maps.max(axis=1, keepdims=True))
    shares = maps if softmax else powers / powers.sum(axis=1, keepdims=True)
    assert np.abs(served(folder, IMAGES)["probabilities"].astype(float) - 255 * shares).max() <= 0.5 + 1e-3
    card = card_of(folder)
    assert [each.name for each in card.classes] == ["gland", "stroma"]
    assert (card.segmentation.kind, card.segmentation.threshold) == ("multiclass", 0)
    assert card.segmentation.channels == [None, "gland", "stroma"]


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("coarser", [1, 2])
def test_the_number_of_each_pixels_class_is_a_map_for_each(add, tmp_path, keepdims, coarser):
    path = segmenter(tmp_path / "theirs.onnx", channels=3, coarser=coarser)
    maps = given(path, IMAGES)
    shape = ["n", *([1] if keepdims else []), SIDE // coarser, SIDE // coarser]
    last, model = ("ArgMax", ["out"], ["numbers"], {"axis": 1, "keepdims": keepdims}), onnx.load(path)
    end(model, [last], ("numbers", TensorProto.INT64, shape))
    onnx.save(model, path)
    found = served(add(path, task="segmentation", classes=["background", "gland", "stroma"]), IMAGES)["probabilities"]
    assert found.shape == (len(IMAGES), 3, SIDE, SIDE)
    if coarser == 1:
        assert (found == 255 * (maps.argmax(axis=1)[:, np.newaxis] == np.arange(3).reshape(1, 3, 1, 1))).all()


def test_channels_that_overlap(add, tmp_path):
    path = segmenter(tmp_path / "theirs.onnx", channels=3)
    folder = add(path, task="segmentation", classes=["whole", "core", "enhancing"], labels="many", answers="logits")
    shares = 1 / (1 + np.exp(-given(path, IMAGES)))
    assert np.abs(served(folder, IMAGES)["probabilities"].astype(float) - 255 * shares).max() <= 0.5 + 1e-3
    assert card_of(folder).segmentation.kind == "multilabel"


@pytest.mark.parametrize("coarser", [2, 3, 4])
def test_maps_that_are_coarser_than_the_picture_are_enlarged(add, tmp_path, coarser):
    path = segmenter(tmp_path / "theirs.onnx", coarser=coarser)
    folder = add(path, task="segmentation", classes=["tumour"], answers="logits")
    found = served(folder, IMAGES)["probabilities"]
    assert found.shape == (4, 1, SIDE, SIDE)
    centre = 255 / (1 + np.exp(-given(path, IMAGES)))
    if coarser == 3:  # the middle of each cell is a pixel's own centre there
        assert np.abs(found[..., 1::3, 1::3].astype(float) - centre).max() <= 1


def test_a_resolution_makes_tiles(add, tmp_path):
    path = segmenter(tmp_path / "theirs.onnx")
    said = {"um_per_px": 500.0, "overlap": 4, "steps": []}
    folder = add(path, task="segmentation", classes=["tumour"], answers="logits", **said)
    part = card_of(folder).segmentation
    assert (part.um_per_px, part.tiles.overlap, part.tiles.margin) == (500, 4, 2)


@pytest.mark.parametrize("way", ["yolov8", "yolov5", "rows", "apart"])
@pytest.mark.parametrize("shares", [False, True])
def test_boxes_come_in_several_ways(add, tmp_path, way, shares):
    path = detector(tmp_path / "theirs.onnx", way, shares=shares)
    said = {"box_units": "shares"} if shares else {}
    folder = add(path, task="detection", classes=["mitosis", "other"], **said)
    found = served(folder, BRIGHT)
    best = SCORES * (SCORES.max(axis=1, keepdims=True) == SCORES) if way == "rows" else SCORES
    assert np.abs(found["boxes"][0, :-1] - BOXES).max() < 1e-3
    assert np.abs(found["scores"][0, :-1] - best).max() < 1e-5
    assert (found["scores"][0, -1] == 0).all()
    assert served(folder, DARK)["scores"].max() == 0
    part = card_of(folder).detection
    assert (part.threshold, part.overlap) == (0.25, None if way == "rows" else 0.45)


def test_boxes_of_tensorflow_are_named_in_their_order(add, tmp_path):
    """Top, left, bottom, right in shares; scores; and classes from 1 on as floats, with more outputs beside."""
    path = fixed_detector(
        tmp_path / "theirs.onnx",
        raw=np.ones((4, 9)),
        detection_scores=SCORES.max(axis=1),
        detection_boxes=BOXES[:, [1, 0, 3, 2]] / SIDE,
        detection_classes=SCORES.argmax(axis=1) + 1,
    )
    said = {"task": "detection", "classes": ["background", "mitosis", "other"]}
    with pytest.raises(OwnModelError, match="in this order, with --outputs"):
        add(path, boxes="corners_yx", box_units="shares", **said)
    outputs = ["detection_boxes", "detection_scores", "detection_classes"]
    folder = add(path, boxes="corners_yx", box_units="shares", outputs=outputs, **said)
    found = served(folder, BRIGHT)
    assert np.abs(found["boxes"][0, :-1] - BOXES).max() < 1e-3
    assert np.abs(found["scores"][0, :-1].max(axis=1) - SCORES.max(axis=1)).max() < 1e-5
    assert (found["scores"][0, :-1].argmax(axis=1) == SCORES.argmax(axis=1)).all()


@pytest.mark.parametrize("none", [False, True])
def test_scores_that_are_logits_become_probabilities(add, tmp_path, none):
    """Each for itself, or of one class where one of them is none, as DETR has it."""
    logits = np.random.default_rng(1).normal(size=(4, 2 + none)) * 3
    centres = np.concatenate([(BOXES[:, :2] + BOXES[:, 2:]) / 2, BOXES[:, 2:] - BOXES[:, :2]], axis=1) / SIDE
    path = fixed_detector(tmp_path / "theirs.onnx", logits=logits, pred_boxes=centres)
    said = {"task": "detection", "classes": ["mitosis", "other", *(["background"] if none else [])]}
    said |= {"boxes": "centres", "box_units": "shares"}
    with pytest.raises(OwnModelError, match="say --answers logits"):
        add(path, **said)
    found = served(add(path, answers="logits", **said), BRIGHT)
    powers = np.exp(logits)
    expected = powers / powers.sum(axis=1, keepdims=True) if none else powers / (1 + powers)
    assert np.abs(found["boxes"][0, :-1] - BOXES).max() < 1e-3
    assert np.abs(found["scores"][0, :-1] - expected[:, :2]).max() < 1e-5


def test_boxes_without_a_batch_and_labels_from_one_on(add, tmp_path):
    path = torchvision_detector(tmp_path / "theirs.onnx")
    folder = add(path, task="detection", classes=["background", "mitosis", "other"])
    assert "max_batch_size: 0" in (folder / "config.pbtxt").read_text()
    found = served(folder, BRIGHT)
    assert np.abs(found["boxes"][0, :-1] - BOXES[:3]).max() < 1e-3
    kept = np.where(SCORES[:3] == SCORES[:3].max(axis=1, keepdims=True), SCORES[:3], 0)
    assert np.abs(found["scores"][0, :-1] - kept).max() < 1e-5
    assert served(folder, DARK)["scores"].shape == (1, 1, 2)


def with_another_output(path):
    """The segmenter with maps of a helper beside its own, as networks have them that learned with one."""
    model = onnx.load(segmenter(path, channels=3))
    model.graph.node.append(helper.make_node("Neg", ["maps"], ["helper"]))
    another = model.graph.output.add()
    another.CopyFrom(model.graph.output[0])
    another.name = "helper"
    onnx.save(model, path)
    return path


def test_of_several_outputs_one_is_named(add, tmp_path):
    path = with_another_output(tmp_path / "theirs.onnx")
    said = {"task": "segmentation", "classes": ["a", "b", "c"], "answers": "logits"}
    with pytest.raises(OwnModelError, match=r"Several outputs .* say which with --outputs"):
        add(path, **said)
    with pytest.raises(OwnModelError, match="There is no output other; there is out float32"):
        add(path, **said, outputs=["other"])
    folder = add(path, **said, outputs=["out"])
    powers = np.exp(given(path, IMAGES))
    shares = powers / powers.sum(axis=1, keepdims=True)
    assert np.abs(served(folder, IMAGES)["probabilities"].astype(float) - 255 * shares).max() <= 0.5 + 1e-3


@pytest.mark.parametrize(
    ("graph", "said", "words"),
    [
        (segmenter, {"task": "segmentation", "classes": ["a", "b"]}, "No output has a map for each of 2 channels"),
        (segmenter, {"task": "segmentation", "classes": ["a"], "answers": "probabilities"}, "say --answers logits"),
        (segmenter, {"task": "segmentation", "classes": ["a"], "decode": "rows"}, "decode: the task segmentation does"),
        (segmenter, {"task": "segmentation", "classes": ["background"]}, "expected one beside background"),
        (
            lambda path: detector(path, "rows"),
            {"task": "detection", "classes": ["a"]},
            "say --decode yolov8, yolov5 or rows",
        ),
        (
            lambda path: detector(path, "apart"),
            {"task": "detection", "classes": ["a", "b", "c"]},
            "the scores of 3 classes cannot be told",
        ),
        (segmenter, {"task": "detection", "classes": ["a"]}, "cannot be told"),
    ],
)
def test_what_does_not_fit_is_told_and_leaves_nothing(add, tmp_path, graph, said, words):
    with pytest.raises(OwnModelError, match=words):
        add(graph(tmp_path / "theirs.onnx"), **said)
    assert add.left() == []


@pytest.mark.parametrize("channel", [1, 3, None])
@pytest.mark.parametrize("sigmoid", [False, True])
def test_a_class_and_a_mask_are_a_delineation(add, tmp_path, channel, sigmoid):
    path = outliner(tmp_path / "theirs.onnx", channel=channel, sigmoid=sigmoid)
    folder = add(path, task="delineation", classes=["a", "b", "c"], outlined="polyp", least_seen=0.2)
    pixels = (IMAGES / 255).astype(np.float32).transpose(0, 3, 1, 2)
    scores, mask = onnxruntime.InferenceSession(path).run(None, {"pixels": pixels})
    found = served(folder, IMAGES)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    assert found["probabilities"] == pytest.approx(powers / powers.sum(axis=1, keepdims=True), abs=1e-5)
    mask = mask.reshape(len(IMAGES), SIDE // 4, SIDE // 4)
    assert found["mask"] == pytest.approx(mask if sigmoid else 1 / (1 + np.exp(-mask)), abs=1e-5)
    card = card_of(folder)
    assert card.delineation.limits == {"least_mask": 0.5, "least_seen": 0.2, "least_probability": 0}
    configuration = text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    assert task_of_kind("delineation").mismatches(card, read_configuration(configuration, "1")) == []
    json.loads((folder / "1/export.json").read_text())


@pytest.mark.parametrize(
    ("graph", "said", "words"),
    [
        ({"masks": 2}, {}, "Several outputs are a mask"),
        ({"masks": 0}, {}, "No output is a mask"),
        ({"open_mask": True}, {}, "leaves its size open"),
        ({}, {"answers": "probabilities"}, "which are no probabilities"),
        ({}, {"fit": "crop"}, "fit: the task delineation does not have it"),
        ({}, {"labels": "many"}, "labels: the task delineation does not have it"),
    ],
)
def test_what_is_no_delineation_is_told(add, tmp_path, graph, said, words):
    with pytest.raises(OwnModelError, match=words):
        add(outliner(tmp_path / "theirs.onnx", **graph), task="delineation", classes=["a", "b", "c"], **said)
    assert add.left() == []


def test_the_record_says_how_it_was_wrapped(add, tmp_path):
    folder = add(detector(tmp_path / "theirs.onnx", "apart"), task="detection", classes=["a", "b"])
    record = json.loads((folder / "1/export.json").read_text())
    assert record["wrapped"]["head"]["way"] == "apart"
    assert {"as_given_boxes", "as_given_scores", "in_a_batch_boxes"} <= set(record["files"]["model.onnx"]["checks"])
