"""Nodes of an ONNX graph, put down one after the other."""

from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import helper, numpy_helper

AXES_ARE_INPUTS: Final = 13
"""From this opset on Squeeze and Unsqueeze take their axes as an input, and Softmax keeps to one axis."""


class Nodes:
    """What is put down before or after the given graph.

    Args:
        prefix: of every name, so that none is one of others.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: ArrayLike, dtype: type = np.float32) -> str:
        """A constant's name."""
        name = f"{self._prefix}/{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def add(self, operator: str, *inputs: str, out: str = "", **attributes: Any) -> str:  # noqa: ANN401 - ONNX's own
        """Put down a node of one output, and say its name.

        Args:
            operator: ONNX's name of it.
            inputs: names.
            out: the output's name; left out, a new one.
            attributes: its attributes.
        """
        name = out or f"{self._prefix}/{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def cut(self, tensor: str, first: int, last: int, axis: int) -> str:
        """The elements `first` to before `last` along an axis."""
        ends = [self.constant([each], np.int64) for each in (first, last, axis)]
        return self.add("Slice", tensor, *ends)
