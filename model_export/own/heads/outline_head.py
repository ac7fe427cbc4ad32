"""One number for each class of the whole picture, and a mask of what they are about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from model_export.own.given_graph import GivenGraph, Tensor
from model_export.own.heads.class_head import LIMIT, ClassHead
from model_export.own.heads.head import Answer, Array, found_in_words, not_probabilities, sigmoid
from model_export.own.nodes import AXES_ARE_INPUTS, Nodes
from model_export.own.own_errors import OwnModelError
from model_export.own.wanted import Wanted

MASK: Final = "mask"


@dataclass(frozen=True)
class OutlineHead:
    """A delineator's.

    Attributes:
        named: What is made of the classes.
        output: The mask.
        channel: Its axis of one channel, if there is one.
        cells: Height and width of the mask.
        activated: Whether the mask is probabilities; else a sigmoid is added.
        card: What the card says.
    """

    named: ClassHead
    output: str
    channel: int | None
    cells: tuple[int, int]
    activated: bool | None
    card: Mapping[str, Any]
    least_opset: int = AXES_ARE_INPUTS

    @classmethod
    def find(cls, given: GivenGraph, wanted: Wanted) -> "OutlineHead":
        """The output with a number for each class, and the one that is a mask.

        Raises:
            OwnModelError: One is missing, or there are several.
        """
        named = ClassHead.find(given, wanted)
        masks = [(each, axis) for each in given.outputs for axis in _channel_of(each)]
        if len(masks) != 1:
            words = "Several outputs are" if masks else "No output is"
            raise OwnModelError(
                f"{words} a mask [N, 1, h, w], [N, h, w, 1] or [N, h, w]: {found_in_words(given.outputs)}"
                + ("; say which with --outputs" if masks else "")
            )
        mask, channel = masks[0]
        height, width = (each for axis, each in enumerate(mask.dims) if axis not in {0, channel})
        if not isinstance(height, int) or not isinstance(width, int):
            raise OwnModelError(f"The mask {mask} leaves its size open: export the graph for one size of picture")
        said = {"least_mask", "least_seen", "least_probability", "outlined"}
        unknown = dict.fromkeys(("method", "caption", "figures"), "not stated")
        card = {"delineation": unknown | wanted.model_dump(include=said)}
        return cls(named, mask.name, channel, (height, width), wanted.activated, card)

    @property
    def reads(self) -> Sequence[str]:
        """Both."""
        return (*self.named.reads, self.output)

    @property
    def limits(self) -> Mapping[str, float]:
        """Of probabilities."""
        return {**self.named.limits, MASK: LIMIT}

    def settled(self, answers: Sequence[Answer]) -> "OutlineHead":
        """Whether these are probabilities.

        Raises:
            OwnModelError: See `Head`.
        """
        named = self.named.settled(answers)
        for answer in answers:
            if self._plain(answer).shape != (1, *self.cells):
                raise OwnModelError(f"{self.output} gives {list(answer[self.output].shape)} for one picture")
        wrong = next(filter(None, (not_probabilities(self._plain(each), None) for each in answers)), "")
        if self.activated and wrong:
            raise OwnModelError(f"{self.output} gives {wrong}: say --answers logits, if that is what they are")
        return replace(self, named=named, activated=not wrong if self.activated is None else self.activated)

    def expected(self, answer: Answer) -> dict[str, Array]:
        """See `Head`."""
        mask = self._plain(answer).astype(np.float32)
        return {**self.named.expected(answer), MASK: mask if self.activated else sigmoid(mask)}

    def lay(self, nodes: Nodes, given: Mapping[str, str]) -> None:
        """See `Head`."""
        self.named.lay(nodes, given)
        mask = nodes.add("Cast", given[self.output], to=1)
        if self.channel is not None:
            mask = nodes.add("Squeeze", mask, nodes.constant([self.channel], np.int64))
        nodes.add("Identity" if self.activated else "Sigmoid", mask, out=MASK)

    def shapes(self) -> dict[str, tuple[type, tuple[int, ...]]]:
        """See `Head`."""
        return {**self.named.shapes(), MASK: (np.float32, self.cells)}

    def parts(self) -> dict[str, Any]:
        """See `Head`."""
        return dict(self.card)

    def _plain(self, answer: Answer) -> Array:
        """Without the axis of its one channel."""
        mask = answer[self.output]
        fits = self.channel is not None and mask.ndim > self.channel and mask.shape[self.channel] == 1
        return mask.squeeze(self.channel) if fits else mask


def _channel_of(tensor: Tensor) -> Sequence[int | None]:
    """The axis of a mask's one channel, or None for one without; nothing where the tensor is no mask."""
    if len(tensor.dims) == 3:  # noqa: PLR2004 - batch, rows, columns
        return (None,)
    if len(tensor.dims) != 4:  # noqa: PLR2004 - and a channel
        return ()
    return [axis for axis in (1, 3) if tensor.dims[axis] == 1][:1]
