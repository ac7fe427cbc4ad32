"""Files that somebody brings, and what they are told of those that cannot be served."""

import os
import zipfile

import onnx
import pytest

from model_export.own.given_graph import read_graph
from model_export.own.own_errors import OwnModelError
from tests.unit.model_export.own.graphs import CLASSES, SIDE, classifier


@pytest.fixture
def theirs(tmp_path):
    return tmp_path / "theirs.onnx"


def test_a_graph_tells_its_input_and_outputs(theirs):
    given = read_graph(classifier(theirs))
    assert str(given.input) == f"pixels float32 [n, 3, {SIDE}, {SIDE}]"
    assert [str(each) for each in given.outputs] == [f"out float32 [n, {CLASSES}]"]


def test_weights_in_a_file_beside_it_are_read(theirs):
    model = onnx.load(classifier(theirs))
    onnx.save(model, theirs, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert {each.name for each in read_graph(theirs).model.graph.initializer if each.raw_data} == {
        "kernel",
        "flat",
        "weights",
    }


def test_weights_that_are_missing_are_named(theirs):
    model = onnx.load(classifier(theirs))
    onnx.save(model, theirs, save_as_external_data=True, location="weights.bin", size_threshold=0)
    (theirs.parent / "weights.bin").unlink()
    with pytest.raises(OwnModelError, match=r"'weights\.bin', which is not beside it"):
        read_graph(theirs)


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd"])
def test_weights_of_another_folder_are_not_read(theirs, location):
    model = onnx.load(classifier(theirs))
    for tensor in model.graph.initializer:
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        tensor.ClearField("raw_data")
    theirs.write_bytes(model.SerializeToString())
    with pytest.raises(OwnModelError, match="outside of its own folder"):
        read_graph(theirs)


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({}, "keeps 540 bytes of 'kernel' in 'weights.bin', where 3 are: copy it again"),
        ({"offset": "-5"}, "offset must be non-negative"),
        ({"length": "many"}, "invalid literal"),
        ({"location": "a\0b"}, "null byte"),
        ({"location": "w" * 5000}, "File name too long"),
        ({"length": str(2**40)}, "has 1099511627776 bytes|has 3298534883"),
    ],
)
def test_weights_that_are_not_as_the_graph_says_are_told(theirs, about, words):
    model = onnx.load(classifier(theirs))
    (theirs.parent / "weights.bin").write_bytes(b"abc")
    for tensor in model.graph.initializer:
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in ({"location": "weights.bin"} | about).items():
            tensor.external_data.add(key=key, value=value)
        tensor.ClearField("raw_data")
    theirs.write_bytes(model.SerializeToString())
    with pytest.raises(OwnModelError, match=words) as told:
        read_graph(theirs)
    assert len(str(told.value)) < 400


def _zip(*names):
    def write(path):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"")

    return write


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: path.write_bytes(b""), "is no ONNX file; export the model to ONNX first"),
        (lambda path: path.write_bytes(b"not a graph at all"), "is no ONNX file; export"),
        (_zip("net/data.pkl", "net/data/0"), "looks like a PyTorch file: load it in Python, weights into"),
        (_zip("net/data.pkl", "net/code/net.py", "net/constants.pkl"), r"TorchScript: .*jit\.load.*dynamo=False"),
        (_zip("net/models/model.json", "net/archive_format"), r"a program of torch\.export: .*export\.load"),
        (_zip("config.json", "model.weights.h5"), r"a Keras file: .*format=\"onnx\""),
        (_zip("word/document.xml"), "is no ONNX file; export the model to ONNX first"),
        (lambda path: path.write_bytes(b"PK\x03\x04 and no more"), "export the model to ONNX first"),
        (lambda path: path.write_bytes(b"\x80\x02\x8a\nl\xfc"), "looks like a PyTorch file"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64)), "looks like a Keras file"),
        (lambda path: path.mkdir(), "is no file but a folder"),
        (lambda path: None, "No such file"),
        (os.mkfifo, "is no file but a folder or a device"),
        (lambda path: path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(64)), "looks like a TensorFlow Lite file"),
        (
            lambda path: path.write_bytes(bytes([16, *bytes(7)]) + b'{"a":{}}'),
            "looks like safetensors, .* of a PyTorch file: load it",
        ),
        (lambda path: path.write_bytes(b"<?xml version='1.0'?><net/>"), "looks like XML"),
        (lambda path: path.write_bytes(classifier(path).read_bytes()[:-9]), "copy the file again"),
    ],
)
def test_what_is_no_graph_is_told(theirs, write, words):
    write(theirs)
    with pytest.raises(OwnModelError, match=words):
        read_graph(theirs)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"opset": 6}, "has opset 6; 7 to"),
        ({"opset": 99}, "has opset 99"),
        ({"operator": ("acme.ops", "Frobnicate")}, "Operators of 'acme.ops' are not known here: Frobnicate"),
    ],
)
def test_what_onnx_runtime_does_not_compute_is_told(theirs, options, words):
    with pytest.raises(OwnModelError, match=words):
        read_graph(classifier(theirs, **options))


def test_a_graph_of_two_inputs_is_told(theirs):
    model = onnx.load(classifier(theirs))
    model.graph.input.append(onnx.helper.make_tensor_value_info("age", onnx.TensorProto.FLOAT, [1]))
    onnx.save(model, theirs)
    with pytest.raises(OwnModelError, match=r"has 2 inputs \(pixels .*, age"):
        read_graph(theirs)


def _with(model, node):
    model.graph.node.append(node)


def _within(model, node):
    branch = onnx.helper.make_graph([node], "branch", [], [])
    _with(model, onnx.helper.make_node("If", ["out"], ["x"], then_branch=branch, else_branch=branch))


NODE = onnx.helper.make_node
DRAWS = NODE("RandomNormal", [], ["x"], shape=[1])
TRAINS = NODE("BatchNormalization", ["seen"] * 5, ["x", "y", "z"], training_mode=1)


def test_names_that_are_no_text_are_told(theirs):
    content = classifier(theirs).read_bytes()
    for name in (b"pixels", b"kernel", b"Relu", b"kernel_shape"):
        theirs.write_bytes(content.replace(name, b"\xff" * len(name)))
        with pytest.raises(OwnModelError, match="names that are no text"):
            read_graph(theirs)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda model: _with(model, DRAWS), r"draws random numbers \(RandomNormal\)"),
        (lambda model: _within(model, DRAWS), r"draws random numbers \(RandomNormal\)"),
        (lambda model: _with(model, TRAINS), r"in training mode \(BatchNormalization\).*model\.eval"),
        (lambda model: _within(model, NODE("Frob", [], ["x"], domain="acme")), "operators of acme without"),
        (lambda model: setattr(model, "ir_version", 99), "IR version 99; 3 to 14 can be served"),
        (lambda model: setattr(model, "ir_version", 0), "IR version 0; 3 to 14"),
        (lambda model: model.ClearField("opset_import"), "operators of ai.onnx without saying their version"),
        (lambda model: setattr(model.graph.output[0], "name", "x" * 99_999), "an input or output named 'xxx"),
        (lambda model: setattr(model.graph.input[0], "name", "x\0y"), r"named 'x\\x00y': rename it"),
        (lambda model: setattr(model.graph.output[0], "name", ""), "named ''"),
        (lambda model: setattr(model.graph.output[0].type.tensor_type, "elem_type", 99), "of a type 99"),
        (lambda model: model.graph.output[0].type.sequence_type.SetInParent(), "zipmap=False"),
    ],
)
def test_what_a_graph_must_not_have_is_told_in_a_sentence(theirs, change, words):
    model = onnx.load(classifier(theirs))
    change(model)
    theirs.write_bytes(model.SerializeToString())
    with pytest.raises(OwnModelError, match=words) as told:
        read_graph(theirs)
    assert len(str(told.value)) < 300


def test_functions_within_the_graph_are_put_in_place(theirs):
    model = onnx.load(classifier(theirs, operator=("theirs", "Twice")))
    add = onnx.helper.make_node("Add", ["x", "x"], ["y"])
    twice = onnx.helper.make_function("theirs", "Twice", ["x"], ["y"], [add], [onnx.helper.make_opsetid("", 17)])
    model.functions.append(twice)
    theirs.write_bytes(model.SerializeToString())
    given = read_graph(theirs)
    assert not given.model.functions
    assert "Add" in {node.op_type for node in given.model.graph.node}
