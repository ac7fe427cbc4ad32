import numpy as np
import onnx
from onnx import helper

from model_export.graph import GraphEditor


def test_prune_keeps_what_the_outputs_need_and_its_order() -> None:
    graph = onnx.GraphProto(name="test")
    graph.output.append(helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None))
    editor = GraphEditor(graph)
    one = editor.constant("one", 1, np.float32)
    unused = editor.constant("unused", 1, np.float32)
    editor.add("Add", ["x", one], "sum")
    editor.add("Mul", ["sum", unused], "dead")
    editor.add("Relu", ["dead"], "dead_too")
    editor.add("Relu", ["sum"], "y")
    editor.prune()
    assert [node.name for node in graph.node] == ["sum", "y"]
    assert [constant.name for constant in graph.initializer] == ["one"]


def test_finds_producers_and_constants() -> None:
    editor = GraphEditor(onnx.GraphProto(name="test"))
    editor.constant("one", 1, np.float32)
    editor.add("Softmax", ["x"], "y", axis=1)
    assert editor.producer("y").op_type == "Softmax"
    assert editor.producer("y").attribute[0].i == 1
    assert editor.is_constant("one")
    assert not editor.is_constant("x")
