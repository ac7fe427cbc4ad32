"""What a head is, and what all of them need."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from model_export.own.given_graph import Tensor
from model_export.own.nodes import Nodes

Array = NDArray[Any]
Floats = NDArray[np.float32]
Answer = Mapping[str, Array]
"""The outputs of one picture, by name."""


class Head(Protocol):
    """How the given graph's outputs become those that are served."""

    @property
    def reads(self) -> Sequence[str]:
        """The given outputs that it needs."""
        ...

    @property
    def limits(self) -> Mapping[str, float]:
        """By served output, the largest difference from what numpy makes of the given ones."""
        ...

    @property
    def least_opset(self) -> int:
        """Of ONNX, that its nodes are written in."""
        ...

    def settled(self, answers: Sequence[Answer]) -> Self:
        """With all that only answers can tell, such as whether these are probabilities.

        Raises:
            OwnModelError: They are not what they should be.
        """
        ...

    def expected(self, answer: Answer) -> dict[str, Array]:
        """By numpy, what has to be served of one picture: (1, ...) each."""
        ...

    def lay(self, nodes: Nodes, given: Mapping[str, str]) -> None:
        """Put down the nodes from the given outputs to the served ones.

        Args:
            nodes: Takes them.
            given: By the output's name in the given graph, its name in the new one.
        """
        ...

    def shapes(self) -> dict[str, tuple[type, tuple[int, ...]]]:
        """By served output, its type and its shape without the batch; -1 is open."""
        ...

    def parts(self) -> dict[str, Any]:
        """What the card says of it."""
        ...


def found_in_words(outputs: Sequence[Tensor]) -> str:
    """The outputs in words."""
    return ", ".join(map(str, outputs)) or "none"


def softmax(values: Array, axis: int) -> Floats:
    """Shares that add up to 1 along an axis, in float64 on the way."""
    powers = np.exp(values.astype(np.float64) - values.max(axis=axis, keepdims=True))
    shares: Floats = (powers / powers.sum(axis=axis, keepdims=True)).astype(np.float32)
    return shares


def sigmoid(values: Array) -> Floats:
    """Probabilities, each for itself, in float64 on the way."""
    with np.errstate(over="ignore"):  # of a value far below 0: its probability is 0
        shares: Floats = (1 / (1 + np.exp(-values.astype(np.float64)))).astype(np.float32)
    return shares


def not_probabilities(values: Array, axis: int | None) -> str:
    """Why values are none; empty if they are.

    Args:
        values: Finite.
        axis: Along which they add up to 1; None where each is for itself.
    """
    low, high = float(values.min()), float(values.max())
    if axis is None:
        return "" if low >= 0 and high <= 1 else f"values from {low:.3g} to {high:.3g}, which are no probabilities"
    sums = values.sum(axis=axis)
    if low >= 0 and np.abs(sums - 1).max() <= SUM_LIMIT:
        return ""
    return f"sums from {sums.min():.3g} to {sums.max():.3g} for a picture, which are no probabilities of one class"


SUM_LIMIT = 1e-3
"""How far from 1 the sum of probabilities may be; what is farther are logits."""
