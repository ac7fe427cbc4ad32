"""A model is added whole or not at all. Triton's own execution is tried in tests/integration/cli/test_own_models.py."""

import json
import os

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from model_export.own import adding, one_execution, trial
from model_export.own.own_errors import OwnModelError
from model_export.own.wanted import Wanted, read_toml
from oncoserve.prediction.model_files import read_cards
from tests.unit.model_export.own.graphs import SIDE, classifier, end

SAID = {"name": "theirs", "task": "classification", "classes": ["a", "b", "c"]}
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@pytest.fixture
def add(tmp_path, monkeypatch):
    """Adds a graph as it is made with some options, and gives the folder and what was reported.

    Triton's part is computed by ONNX Runtime, which is what its backend does; the real one takes ten seconds.
    """

    def execute(repository, model, image, work):
        graph = onnxruntime.InferenceSession(repository / model / "1" / "model.onnx")
        return {"probabilities": graph.run(None, {"image": image})[0]}

    monkeypatch.setattr(one_execution, "execute", execute)
    lines = []

    def run(graph=None, change=None, samples=(), **said):
        path = classifier(tmp_path / "theirs.onnx", **(graph or {}))
        if change:
            model = onnx.load(path)
            change(model)
            onnx.save(model, path)
        wanted = Wanted.of(SAID | said)
        return adding.add(path, wanted, tmp_path / "models", samples, lines.append).parent

    run.lines = lines
    run.left = lambda: sorted(path.name for path in tmp_path.iterdir() if path.name != "theirs.onnx")
    return run


def served(folder, images):
    session = onnxruntime.InferenceSession(folder / "1" / "model.onnx")
    return session.run(None, {"image": images})[0]


def by_hand(graph, images, *, layout="NCHW", scale=1 / 255, mean=(0,), std=(1,), bgr=False):
    """What the given graph says, with the pictures prepared as PyTorch's users do, and a softmax."""
    pixels = images[..., ::-1] if bgr else images
    pixels = ((pixels * scale - np.array(mean)) / np.array(std)).astype(np.float32)
    session = onnxruntime.InferenceSession(graph)
    scores = session.run(None, {"pixels": pixels.transpose(0, 3, 1, 2) if layout == "NCHW" else pixels})[0]
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


IMAGES = np.random.default_rng(7).integers(0, 256, (4, SIDE, SIDE, 3)).astype(np.uint8)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("said", [{}, IMAGENET, {"scale": 1.0, "mean": [127.0, 110.0, 90.0]}], ids=str)
@pytest.mark.parametrize("colours", ["RGB", "BGR"])
def test_the_serving_graph_takes_pictures_and_answers_as_the_given_one(add, tmp_path, layout, said, colours):
    folder = add({"layout": layout}, colours=colours, **said)
    expected = by_hand(tmp_path / "theirs.onnx", IMAGES, layout=layout, bgr=colours == "BGR", **said)
    assert np.abs(served(folder, IMAGES) - expected).max() < 1e-5


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("said", [{}, {"mean": [0.5], "std": [0.25]}], ids=str)
def test_a_graph_of_grey_pictures_gets_them_as_a_grey_file_has_them(add, tmp_path, layout, said):
    folder = add({"layout": layout, "colours": 1}, **said)
    grey = np.stack([np.asarray(Image.fromarray(each).convert("L")) for each in IMAGES])[..., np.newaxis]
    expected = by_hand(tmp_path / "theirs.onnx", grey, layout=layout, **said)
    got = served(folder, IMAGES)
    assert np.abs(got - expected).max() < 0.02  # Pillow's own rounding is another one in a level of 255
    only_grey = np.repeat(grey, 3, axis=3)
    assert np.abs(served(folder, only_grey) - expected).max() < 1e-5


def test_probabilities_get_no_second_softmax(add, tmp_path):
    folder = add({"softmax": True})
    scores = onnxruntime.InferenceSession(tmp_path / "theirs.onnx")
    given = scores.run(None, {"pixels": (IMAGES / 255).astype(np.float32).transpose(0, 3, 1, 2)})[0]
    assert np.abs(served(folder, IMAGES) - given).max() < 1e-5
    assert json.loads((folder / "1/export.json").read_text())["wrapped"]["head"]["activated"] is True


@pytest.mark.parametrize("sigmoid", [False, True])
def test_one_number_is_that_of_the_second_class(add, tmp_path, sigmoid):
    images = np.random.default_rng(1).integers(0, 256, (3, SIDE, SIDE, 3)).astype(np.uint8)

    def change(model):
        ends = [("Slice", ["out", "from", "to", "axis"], ["one"], {})]
        ends.append(("Sigmoid" if sigmoid else "Identity", ["one"], ["end"], {}))
        at = {"from": 0, "to": 1, "axis": 1}
        end(model, ends, ("end", TensorProto.FLOAT, ["n", 1]), {name: np.array([each]) for name, each in at.items()})

    folder = add(change=change, classes=["benign", "malignant"], **({} if sigmoid else {"answers": "logits"}))
    pixels = (images / 255).astype(np.float32).transpose(0, 3, 1, 2)
    second = onnxruntime.InferenceSession(tmp_path / "theirs.onnx").run(None, {"pixels": pixels})[0]
    second = second if sigmoid else 1 / (1 + np.exp(-second))
    assert np.abs(served(folder, images) - np.concatenate([1 - second, second], axis=1)).max() < 1e-5


def test_weights_that_are_inputs_too_as_old_graphs_have_them_are_weights(add):
    def change(model):
        model.ir_version = 3
        for each in model.graph.initializer:
            model.graph.input.append(helper.make_tensor_value_info(each.name, each.data_type, list(each.dims)))

    assert (add({"opset": 8}, change=change) / "1/model.onnx").is_file()


def test_classes_that_do_not_exclude_each_other_get_a_sigmoid(add, tmp_path):
    folder = add(labels="many", thresholds={"b": 0.25})
    session = onnxruntime.InferenceSession(tmp_path / "theirs.onnx")
    scores = session.run(None, {"pixels": (IMAGES / 255).astype(np.float32).transpose(0, 3, 1, 2)})[0]
    assert np.abs(served(folder, IMAGES) - 1 / (1 + np.exp(-scores))).max() < 1e-5
    card = json.loads((folder / "card.json").read_text())
    assert card["classification"] == {"labels": "many", "thresholds": {"b": 0.25}}


def test_what_is_said_to_be_probabilities_and_is_not_is_told(add):
    with pytest.raises(OwnModelError, match="say --answers logits"):
        add(answers="probabilities")
    assert add.left() == []


@pytest.mark.parametrize(("batch", "reshape_to"), [("n", 0), (1, 0)])
def test_pictures_are_batched_where_the_graph_can(add, batch, reshape_to):
    folder = add({"batch": batch, "reshape_to": reshape_to})
    assert "max_batch_size: 8" in (folder / "config.pbtxt").read_text()
    assert "max_batch_size: 32" in (folder / "configs/gpu.pbtxt").read_text()


def test_a_graph_made_for_one_picture_is_served_one_by_one_and_says_so(add):
    folder = add({"batch": 1, "reshape_to": 1})
    assert "max_batch_size: 0" in (folder / "config.pbtxt").read_text()
    assert any("one picture at a time" in line for line in add.lines)


@pytest.mark.parametrize(
    ("graph", "said", "words"),
    [
        ({}, {"classes": ["a", "b"]}, r"--classes names 2; no output has \[N, 2\], there is out float32 \[n, 3\]"),
        ({"size": ("h", "w")}, {}, "leaves its height open: say --height"),
        ({}, {"width": 99}, "has a width of 12, --width says 99"),
        ({"input_dims": ["n", 4, SIDE, SIDE]}, {"layout": "NCHW"}, "has 4 channels"),
        ({"input_dims": ["n", 3, SIDE, 3]}, {}, "say --layout"),
        ({"colours": 1}, {"mean": [0.1, 0.2, 0.3]}, "--mean has 3 numbers"),
        ({"colours": 1}, {"colours": "BGR"}, "takes grey pictures"),
        ({"input_dims": ["n", 3 * SIDE * SIDE]}, {}, "has four axes"),
        ({"batch": 7}, {}, "takes 7 pictures at a time, always"),
        ({"size": (100_000, 100_000)}, {}, "a height of 100000; 8 to 4096 pixels can be served"),
        ({"dtype": TensorProto.STRING}, {}, "not of numbers that pictures become"),
        ({"dtype": TensorProto.BFLOAT16}, {}, "not of numbers that pictures become"),
        ({"dtype": TensorProto.INT8}, {}, "make 0 to 1 of pixels: say --scale 1 if it takes them as they are"),
        ({"dtype": TensorProto.INT8}, {"scale": 1.0}, "make 0 to 255 of pixels"),
    ],
)
def test_what_does_not_fit_is_told_and_leaves_nothing(add, graph, said, words):
    with pytest.raises(OwnModelError, match=words):
        add(graph, **said)
    assert add.left() == []


def test_a_name_in_use_is_told(add):
    folder = add()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(OwnModelError, match="is there already"):
        add(scale=1.0)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_of_two_at_once_the_second_is_told(add, monkeypatch, tmp_path):
    execute = one_execution.execute

    def meanwhile(*arguments):
        (tmp_path / "models/theirs/1").mkdir(parents=True)
        return execute(*arguments)

    monkeypatch.setattr(one_execution, "execute", meanwhile)
    with pytest.raises(OwnModelError, match="was made meanwhile by somebody else: choose another --name"):
        add()
    assert list((tmp_path / "models/theirs/1").iterdir()) == []


def test_a_full_disk_is_told(add, monkeypatch):
    monkeypatch.setattr(trial, "run_module", lambda *_: (1, "OSError: [Errno 28] No space left on device"))
    with pytest.raises(OwnModelError, match=r"The disk of .* is full: make room there"):
        add()
    assert add.left() == []


def test_another_answer_in_triton_leaves_nothing(add, monkeypatch):
    monkeypatch.setattr(one_execution, "execute", lambda *_: {"probabilities": np.zeros((1, 3), np.float32)})
    with pytest.raises(Exception, match="check in_triton failed"):
        add()
    assert add.left() == []


def test_the_card_says_nothing_that_nobody_measured(add, tmp_path):
    folder = add(title="Their classifier", licence="MIT")
    cards, problems = read_cards(tmp_path / "models")
    assert problems == {}
    card = cards["theirs"].newest
    assert (card.title, card.origin.licence, card.modality) == ("Their classifier", "MIT", "not stated")
    assert card.performance == []
    assert "was measured" in card.limitations[0]
    assert (folder / "labels.txt").read_text().split() == ["a", "b", "c"]


def test_the_card_says_how_pictures_come_to_the_size(add, tmp_path):
    add(fit="letterbox", padding="#727272")
    assert read_cards(tmp_path / "models")[0]["theirs"].newest.preprocessing.background == "#727272"
    add(name="others", fit="crop", crop_share=0.875)
    preprocessing = read_cards(tmp_path / "models")[0]["others"].newest.preprocessing
    assert (preprocessing.background, preprocessing.fit, preprocessing.crop_share) == ("#000000", "crop", 0.875)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"name": "../up"}, r"name: Input should be 1 to 63 of a-z, .* got '\.\./up'"),
        ({"name": "x" * 300}, "1 to 63 of a-z"),
        ({"classes": ["a", "b\nc"]}, r"classes\.1: Input should be 1 to 64 letters"),
        ({"classes": ["../x", "b"]}, r"classes\.0: Input should be 1 to 64 letters"),
        ({"classes": "abc"}, "classes: Input should be a valid list, got 'abc'"),
        ({"mean": [float("nan")]}, "mean.0: Input should be a finite number"),
        ({"std": [1e-300]}, r"each has to be above 0 \(1e-06 and more\), got \[1e-300\]"),
        ({"scale": 0}, "scale: Input should be greater than or equal to 0.000001, got 0"),
        ({"crop_share": 2}, "crop_share: Input should be less than or equal to 1, got 2"),
        ({"threshold": 0.5}, "threshold: the task classification does not have it"),
        ({"thresholds": {"z": 0.5}, "labels": "many"}, "thresholds: z is none of the classes"),
        ({"thresholds": {"a": 0.5}}, "say labels = 'many'"),
        ({"task": "segmentation", "background": "z"}, "background: z is none of the classes, a, b, c"),
        ({"task": "segmentation", "um_per_px": 1e-300}, "um_per_px: Input should be greater"),
        ({"title": "a\x1b[31mb"}, "title: Input should be printable, in one line"),
        ({"licence": "x" * 9999}, "licence: String should have at most 2000 characters"),
        ({"classes": ["a", "a"]}, "a is there more than once"),
        ({"classes": ["a"]}, "a classifier has 2 and more"),
        ({"std": [1, 0, 1]}, "each has to be above 0"),
        ({"task": "poetry"}, "task"),
        ({"padding": "114"}, "padding: "),
        ({"colour": "RGB"}, "colour is nothing that can be said"),
    ],
)
def test_what_is_said_is_checked(said, words):
    with pytest.raises(OwnModelError, match=words) as told:
        Wanted.of(SAID | said)
    assert len(str(told.value)) < 300


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"a = ", b"a = 1\na = 2", b"a = " + b"[" * 5000, b"a = 1" + b"0" * 5000], ids=len
)
def test_what_is_no_toml_is_told(tmp_path, content):
    (tmp_path / "said.toml").write_bytes(content)
    with pytest.raises(OwnModelError, match=r"said\.toml is no TOML file") as told:
        read_toml(tmp_path / "said.toml")
    assert len(str(told.value)) < 400


def test_a_pipe_is_no_toml_file(tmp_path):
    os.mkfifo(tmp_path / "said.toml")
    with pytest.raises(OwnModelError, match="name the TOML file itself"):
        read_toml(tmp_path / "said.toml")


def test_graphs_within_graphs_see_the_tensors_around_them(add, tmp_path):
    def branch(depth):
        """`out` as it is, from so many graphs below."""
        name, node = f"out_{depth}", helper.make_node("Identity", ["out"], [f"out_{depth}"])
        if depth:
            node = helper.make_node("If", ["yes"], [name], then_branch=branch(depth - 1), else_branch=branch(0))
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3])
        return helper.make_graph([node], name, [], [value])

    def change(model):
        model.graph.node.append(helper.make_node("If", ["yes"], ["x"], then_branch=branch(3), else_branch=branch(0)))
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
        model.graph.output[0].name = "x"

    folder = add(change=change)
    assert np.abs(served(folder, IMAGES) - by_hand(tmp_path / "theirs.onnx", IMAGES)).max() < 1e-5


def test_what_gives_no_numbers_is_told(add):
    def change(model):
        model.graph.node.append(helper.make_node("Cast", ["out"], ["x"], to=TensorProto.STRING))
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.STRING, ["n", 3]))

    with pytest.raises(OwnModelError, match="is not of numbers that can be served"):
        add(change=change)


def test_an_operator_that_nobody_knows_is_named(add):
    with pytest.raises(OwnModelError, match="does not know the operator Frobnicate"):
        add({"operator": ("", "Frobnicate")})
    assert add.left() == []


def test_what_triton_is_asked_for_at_once_is_tried_before(add, monkeypatch):
    """Its memory is bounded in the trial, and not in Triton."""
    batches, compute = [], trial.compute

    def watched(graph, batch, outputs, **how):
        batches.append((len(batch), how["one_by_one"]))
        return compute(graph, batch, outputs, **how)

    monkeypatch.setattr(trial, "compute", watched)
    add()
    assert batches == [(4, True), (4, True), (8, False)]


def test_a_sample_that_cannot_be_read_is_named(add, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(OwnModelError, match=r"The sample picture .*broken\.png cannot be read"):
        add(samples=[tmp_path / "broken.png"])


def test_a_graph_that_wants_too_much_memory_is_ended(tmp_path):
    graph = classifier(tmp_path / "theirs.onnx", size=(2048, 2048))
    picture = np.zeros((1, 3, 2048, 2048), np.float32)
    with pytest.raises(OwnModelError, match=r"memory|ended"):
        trial.compute(graph, picture, ["out"], one_by_one=True, memory_bytes=300 * 2**20)


def test_a_graph_that_does_not_end_is_ended(tmp_path):
    graph = classifier(tmp_path / "theirs.onnx")
    picture = np.zeros((1, 3, SIDE, SIDE), np.float32)
    with pytest.raises(OwnModelError, match=r"more than 0\.01 s"):
        trial.compute(graph, picture, ["out"], one_by_one=True, time_s=0.01)
