"""A map for each class, over the picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from model_export.own.given_graph import GivenGraph, Tensor
from model_export.own.heads.head import Answer, Array, found_in_words, not_probabilities, sigmoid, softmax
from model_export.own.nodes import AXES_ARE_INPUTS, Nodes
from model_export.own.own_errors import OwnModelError
from model_export.own.wanted import Wanted

PROBABILITIES: Final = "probabilities"
LEVELS: Final = 1.0
"""Largest difference of a served byte: where 255 times a probability ends in a half, one float rounds up, one down."""
MAP_AXES: Final = 4


@dataclass(frozen=True)
class MapHead:
    """A segmenter's.

    Attributes:
        output: What is read.
        channels: By channel its class; None is background.
        size: Height and width of the input, which those of the maps become.
        kind: See `oncoserve.tasks.card.Segmentation`.
        last: Whether the channels are the last axis.
        numbers: Whether the output is no map for each class but the number of a class for each pixel.
        activated: Whether the output is probabilities; else a softmax is added, or a sigmoid where each is for itself.
        card: What the card says.
    """

    output: str
    channels: tuple[str | None, ...]
    size: tuple[int, int]
    kind: str
    last: bool
    numbers: bool
    activated: bool | None
    card: Mapping[str, Any]
    least_opset: int = AXES_ARE_INPUTS

    @classmethod
    def find(cls, given: GivenGraph, wanted: Wanted, size: tuple[int, int]) -> "MapHead":
        """The output that has a map for each class.

        Raises:
            OwnModelError: There is none, or there are several.
        """
        channels = wanted.channels
        count = len(channels)
        fitting = [each for each in given.outputs if _channels_last(each, count) is not None]
        numbered = [each for each in given.outputs if each.dtype.kind in "iu" and len(each.dims) in (3, MAP_AXES)]
        if not fitting and len(numbered) == 1 and wanted.labels == "one" and count > 1:
            card = _card(wanted, channels, "multiclass", size)
            name = numbered[0].name
            return cls(name, channels, size, "multiclass", last=False, numbers=True, activated=True, card=card)
        if len(fitting) != 1:
            words = "Several outputs have" if fitting else "No output has"
            raise OwnModelError(
                f"{words} a map for each of {count} channels (--classes): {found_in_words(given.outputs)}; "
                + ("say which with --outputs" if fitting else "name the background too, if it has a channel")
            )
        kind = "binary" if count == 1 else "multilabel" if wanted.labels == "many" else "multiclass"
        last = _channels_last(fitting[0], count) or False
        card = _card(wanted, channels, kind, size)
        name = fitting[0].name
        return cls(name, channels, size, kind, last=last, numbers=False, activated=wanted.activated, card=card)

    @property
    def reads(self) -> Sequence[str]:
        """The one output."""
        return (self.output,)

    @property
    def limits(self) -> Mapping[str, float]:
        """Of bytes."""
        return {PROBABILITIES: LEVELS}

    def settled(self, answers: Sequence[Answer]) -> "MapHead":
        """Whether these are probabilities.

        Raises:
            OwnModelError: See `Head`.
        """
        maps = [self._first(answer) for answer in answers]
        for each in maps:
            if each.shape[:2] != (1, len(self.channels)):
                raise OwnModelError(f"{self.output} gives {list(each.shape)} for one picture")
        wrong = next(filter(None, (not_probabilities(each, self._together) for each in maps)), "")
        if self.activated and wrong:
            raise OwnModelError(f"{self.output} gives {wrong}: say --answers logits, if that is what they are")
        return replace(self, activated=not wrong if self.activated is None else self.activated)

    def expected(self, answer: Answer) -> dict[str, Array]:
        """See `Head`."""
        maps = self._first(answer).astype(np.float32)
        if not self.activated:
            maps = sigmoid(maps) if self._together is None else softmax(maps, 1)
        if maps.shape[2:] != self.size:
            maps = np.stack([_enlarged(each, self.size) for each in maps[0]])[np.newaxis]
        return {PROBABILITIES: np.rint(np.clip(maps, 0, 1) * 255).astype(np.uint8)}

    def lay(self, nodes: Nodes, given: Mapping[str, str]) -> None:
        """See `Head`."""
        maps = nodes.add("Cast", given[self.output], to=1)
        if self.numbers:
            maps = self._lay_apart(nodes, maps)
        if self.last:
            maps = nodes.add("Transpose", maps, perm=[0, 3, 1, 2])
        if not self.activated:
            maps = nodes.add("Sigmoid", maps) if self._together is None else nodes.add("Softmax", maps, axis=1)
        front = nodes.cut(nodes.add("Shape", maps), 0, 2, 0)
        sizes = nodes.add("Concat", front, nodes.constant(self.size, np.int64), axis=0)
        # Half pixels, without a wider filter: as torch's interpolate does, which such networks end in.
        maps = nodes.add("Resize", maps, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel")
        maps = nodes.add("Clip", maps, nodes.constant(0.0), nodes.constant(1.0))
        maps = nodes.add("Round", nodes.add("Mul", maps, nodes.constant(255.0)))
        nodes.add("Cast", maps, out=PROBABILITIES, to=2)

    def _lay_apart(self, nodes: Nodes, numbers: str) -> str:
        """A map for each class of one with their numbers, (N, h, w) or (N, 1, h, w)."""
        front = nodes.cut(nodes.add("Shape", numbers), 0, 1, 0)
        back = nodes.cut(nodes.add("Shape", numbers), -2, np.iinfo(np.int64).max, 0)
        numbers = nodes.add("Reshape", numbers, nodes.add("Concat", front, nodes.constant([1], np.int64), back, axis=0))
        classes = nodes.constant(np.arange(len(self.channels)).reshape(1, -1, 1, 1))
        return nodes.add("Cast", nodes.add("Equal", numbers, classes), to=1)

    def shapes(self) -> dict[str, tuple[type, tuple[int, ...]]]:
        """See `Head`."""
        return {PROBABILITIES: (np.uint8, (len(self.channels), *self.size))}

    def parts(self) -> dict[str, Any]:
        """See `Head`."""
        return dict(self.card)

    @property
    def _together(self) -> int | None:
        """The axis along which probabilities add up to 1."""
        return 1 if self.kind == "multiclass" else None

    def _first(self, answer: Answer) -> Array:
        values = answer[self.output]
        if self.numbers and values.ndim == MAP_AXES and values.shape[1] == 1:
            values = values[:, 0]
        if self.numbers and values.ndim == MAP_AXES - 1:
            classes = np.arange(len(self.channels))[:, np.newaxis, np.newaxis]
            values = (values[:, np.newaxis] == classes).astype(np.float32)
        if values.ndim != MAP_AXES:
            raise OwnModelError(f"{self.output} gives {list(values.shape)} for one picture, which is no map")
        return values.transpose(0, 3, 1, 2) if self.last else values


def _enlarged(plane: Array, size: tuple[int, int]) -> Array:
    """A map of (h, w) in another size, bilinearly between centres, without a wider filter when it shrinks."""
    sizes = zip(plane.shape, size, strict=True)
    places = [np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1) for old, new in sizes]
    low = [np.floor(each).astype(int) for each in places]
    high = [np.minimum(each + 1, old - 1) for each, old in zip(low, plane.shape, strict=True)]
    y, x = (each - floor for each, floor in zip(places, low, strict=True))
    upper = plane[low[0]][:, low[1]] * (1 - x) + plane[low[0]][:, high[1]] * x
    lower = plane[high[0]][:, low[1]] * (1 - x) + plane[high[0]][:, high[1]] * x
    return np.asarray(upper * (1 - y[:, np.newaxis]) + lower * y[:, np.newaxis])


def _channels_last(tensor: Tensor, count: int) -> bool | None:
    """Where the channels are; None where the tensor is no map of so many."""
    if len(tensor.dims) != MAP_AXES:
        return None
    if tensor.dims[1] == count:
        return False
    if tensor.dims[3] == count:
        return True
    return False if isinstance(tensor.dims[1], str) or tensor.dims[1] is None else None


def _card(wanted: Wanted, channels: Sequence[str | None], kind: str, size: tuple[int, int]) -> dict[str, Any]:
    part: dict[str, Any] = {"kind": kind, "threshold": wanted.threshold_of(0.0 if kind == "multiclass" else 0.5)}
    if None in channels:
        part["channels"] = list(channels)
    if wanted.um_per_px is not None or wanted.tiles:
        overlap = min(size) // 2 if wanted.overlap is None else wanted.overlap
        part |= {"um_per_px": wanted.um_per_px, "tiles": {"overlap": overlap, "margin": overlap // 2}}
    part["steps"] = list(wanted.steps)
    return {"segmentation": part}
