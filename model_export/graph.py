"""A small editor for ONNX graphs."""

from collections.abc import Iterable, MutableSequence, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

_Item = TypeVar("_Item")


class GraphEditor:
    """Adds nodes at the end of a graph and removes those that no output needs.

    Args:
        graph: Edited in place; its nodes are in topological order and stay so.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph

    def producer(self, tensor: str) -> onnx.NodeProto:
        """The node that `tensor` comes from."""
        node: onnx.NodeProto = next(node for node in self.graph.node if tensor in node.output)
        return node

    def is_constant(self, tensor: str) -> bool:
        """Whether `tensor` is a weight."""
        return any(tensor == initializer.name for initializer in self.graph.initializer)

    def constant(self, name: str, value: npt.ArrayLike, dtype: npt.DTypeLike) -> str:
        """Adds a constant and gives its name."""
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, op_type: str, inputs: list[str], output: str, **attributes: int | Sequence[int]) -> str:
        """Adds a node with one output and gives that output's name."""
        node = helper.make_node(op_type, inputs, [output], name=output)
        node.attribute.extend(helper.make_attribute(name, value) for name, value in sorted(attributes.items()))
        self.graph.node.append(node)
        return output

    def prune(self) -> None:
        """Removes the nodes and constants that no output of the graph needs."""
        needed = {output.name for output in self.graph.output}
        nodes = []
        for node in reversed(self.graph.node):
            if needed.intersection(node.output):
                needed.update(node.input)
                nodes.append(node)
        replace(self.graph.node, reversed(nodes))
        replace(self.graph.initializer, [kept for kept in self.graph.initializer if kept.name in needed])


def replace(field: MutableSequence[_Item], items: Iterable[_Item]) -> None:
    """Sets a repeated field of a message."""
    kept = list(items)
    del field[:]
    field.extend(kept)


def with_plain_weights(model: bytes) -> bytes:
    """The graph with kernels stored as float32 and each node named, as converters and quantisers expect it.

    A kernel that is stored as float16, with a Cast behind it, keeps its values.
    """
    plain = onnx.load_from_string(model)
    stored = {tensor.name: tensor for tensor in plain.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in plain.graph.node:
        if node.op_type == "Cast" and node.input[0] in stored:
            kernel = numpy_helper.to_array(stored[node.input[0]]).astype(np.float32)
            stored[node.input[0]].CopyFrom(numpy_helper.from_array(kernel, node.output[0]))
        else:
            node.name = node.name or f"node_{len(nodes)}"
            nodes.append(node)
    replace(plain.graph.node, nodes)
    serialised: bytes = plain.SerializeToString(deterministic=True)
    return serialised
