"""Boxes with scores, in the ways that others give them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from model_export.own.given_graph import GivenGraph, Tensor
from model_export.own.heads.head import Answer, Array, Floats, found_in_words, sigmoid, softmax
from model_export.own.nodes import AXES_ARE_INPUTS, Nodes
from model_export.own.own_errors import OwnModelError
from model_export.own.wanted import Wanted

BOXES, SCORES = "boxes", "scores"
LIMITS: Final = {BOXES: 1e-2, SCORES: 1e-5}
"""Largest difference of a corner, in pixels of the input, and of a score."""
CORNERS: Final = 4
SWAPPED: Final = (1, 0, 3, 2)
"""From top, left, bottom, right to left, top, right, bottom."""
ROWS: Final = 3  # axes of what has a batch, rows and columns
END_COLUMNS: Final = CORNERS + 2  # corners, score and class


@dataclass(frozen=True)
class BoxHead:
    """A detector's.

    Attributes:
        way: How the outputs are read: `yolov8` (4 + K, M): centre, size and the scores of classes; `yolov5` (M, 5 + K):
            centre, size, whether there is anything, and of which class; `rows` (M, 6): corners, score, class; `apart`:
            boxes, scores and, where these are one for a box, classes, each an output.
        outputs: What is read; of `apart` the boxes, the scores and the classes, if there are any.
        channels: By the graph's class its name; None is background.
        form: What the numbers of a box are: `corners` (left, top, right, bottom), `corners_yx` (top, left, bottom,
            right) or `centres` (centre and size).
        activation: What makes probabilities of scores: none, `sigmoid`, or `softmax` where one of the classes is none.
        scale: What makes pixels of the input of a box's numbers: x, y.
        batched: Whether outputs have a batch.
        card: What the card says.
    """

    way: str
    outputs: tuple[str, ...]
    channels: tuple[str | None, ...]
    form: str
    activation: str
    scale: tuple[float, float]
    batched: bool
    card: Mapping[str, Any]
    least_opset: int = AXES_ARE_INPUTS

    @classmethod
    def find(cls, given: GivenGraph, wanted: Wanted, size: tuple[int, int]) -> "BoxHead":
        """How this graph gives boxes.

        Raises:
            OwnModelError: It cannot be told.
        """
        way, outputs = _way(given.outputs, wanted)
        form = wanted.boxes or ("corners" if way in {"rows", "apart"} else "centres")
        scale = (float(size[1]), float(size[0])) if wanted.box_units == "shares" else (1.0, 1.0)
        first = next(each for each in given.outputs if each.name == outputs[0])
        suppressed = way == "rows" or len(outputs) == ROWS
        if suppressed and wanted.answers == "logits":
            raise OwnModelError(
                f"{outputs[0]} comes with one score for a box, which is a probability: say no --answers"
            )
        activation = "" if wanted.answers != "logits" else "softmax" if None in wanted.channels else "sigmoid"
        overlap = None if suppressed else 0.45 if wanted.most_overlap is None else wanted.most_overlap
        threshold = wanted.threshold_of(0.25)
        part = {"threshold": threshold, "floor": min(0.05, threshold), "overlap": overlap}
        batched = len(first.dims) == ROWS
        return cls(way, outputs, wanted.channels, form, activation, scale, batched, {"detection": part})

    @property
    def reads(self) -> Sequence[str]:
        """The outputs."""
        return self.outputs

    @property
    def limits(self) -> Mapping[str, float]:
        """Of corners and of scores."""
        return LIMITS

    def settled(self, answers: Sequence[Answer]) -> "BoxHead":
        """Whether scores are such.

        Raises:
            OwnModelError: They are not, or there are other columns.
        """
        for answer in answers:
            found = self.expected(answer)
            low, high = (float(side(found[SCORES])) if found[SCORES].size else 0.0 for side in (np.min, np.max))
            if low < 0 or high > 1 + 1e-3:
                raise OwnModelError(
                    f"{self.outputs[-1]} gives scores from {low:.3g} to {high:.3g}: say --answers logits, if that is "
                    "what they are"
                )
        return self

    def expected(self, answer: Answer) -> dict[str, Array]:
        """See `Head`."""
        values = [answer[name] if self.batched else answer[name][np.newaxis] for name in self.outputs]
        first = values[0].astype(np.float32)
        if self.way == "yolov8":
            first = first.transpose(0, 2, 1)
        self._check(first, values)
        boxes = first[..., :CORNERS]
        if self.way == "yolov8":
            scores = first[..., CORNERS:]
        elif self.way == "yolov5":
            scores = first[..., CORNERS + 1 :] * first[..., CORNERS : CORNERS + 1]
        elif self.way == "rows":
            scores = self._spread(first[..., CORNERS], first[..., CORNERS + 1])
        else:
            scores = values[1].astype(np.float32)
            scores = self._spread(scores, values[2]) if len(values) == ROWS else scores
        if self.activation:
            scores = sigmoid(scores) if self.activation == "sigmoid" else softmax(scores, 2)
        kept = [number for number, name in enumerate(self.channels) if name is not None]
        if self.form == "centres":
            middle, half = boxes[..., :2], boxes[..., 2:] / 2
            boxes = np.concatenate([middle - half, middle + half], axis=2)
        elif self.form == "corners_yx":
            boxes = boxes[..., SWAPPED]
        boxes = boxes * np.array([*self.scale, *self.scale], np.float32)
        return {BOXES: _ended(boxes), SCORES: _ended(scores[..., kept])}

    def lay(self, nodes: Nodes, given: Mapping[str, str]) -> None:
        """See `Head`."""
        found = [given[name] for name in self.outputs]
        if not self.batched:
            axis = nodes.constant([0], np.int64)
            found = [nodes.add("Unsqueeze", each, axis) for each in found]
        values = [nodes.add("Cast", each, to=1) for each in found]
        first = nodes.add("Transpose", values[0], perm=[0, 2, 1]) if self.way == "yolov8" else values[0]
        boxes, after = nodes.cut(first, 0, CORNERS, 2), np.iinfo(np.int64).max
        if self.way == "yolov8":
            scores = nodes.cut(first, CORNERS, after, 2)
        elif self.way == "yolov5":
            there = nodes.cut(first, CORNERS, CORNERS + 1, 2)
            scores = nodes.add("Mul", nodes.cut(first, CORNERS + 1, after, 2), there)
        elif self.way == "rows":
            classes = nodes.cut(first, CORNERS + 1, CORNERS + 2, 2)
            scores = self._lay_spread(nodes, nodes.cut(first, CORNERS, CORNERS + 1, 2), classes)
        elif len(values) == ROWS:
            last = nodes.constant([2], np.int64)
            scores, classes = (nodes.add("Unsqueeze", each, last) for each in values[1:])
            scores = self._lay_spread(nodes, scores, classes)
        else:
            scores = values[1]
        if self.activation:
            softmax = self.activation == "softmax"
            scores = nodes.add("Softmax", scores, axis=2) if softmax else nodes.add("Sigmoid", scores)
        kept = [number for number, name in enumerate(self.channels) if name is not None]
        scores = nodes.add("Gather", scores, nodes.constant(kept, np.int64), axis=2)
        self._lay_boxes(nodes, boxes, scores)

    def _lay_boxes(self, nodes: Nodes, boxes: str, scores: str) -> None:
        if self.form == "centres":
            middle, size = nodes.cut(boxes, 0, 2, 2), nodes.cut(boxes, 2, CORNERS, 2)
            half = nodes.add("Mul", size, nodes.constant(0.5))
            ends = [nodes.add(way, middle, half) for way in ("Sub", "Add")]
            boxes = nodes.add("Concat", *ends, axis=2)
        elif self.form == "corners_yx":
            boxes = nodes.add("Gather", boxes, nodes.constant(SWAPPED, np.int64), axis=2)
        boxes = nodes.add("Mul", boxes, nodes.constant([*self.scale, *self.scale]))
        for name, tensor in ((BOXES, boxes), (SCORES, scores)):
            # One row more, of nothing: where a graph finds nothing, an output without rows is none that all can send.
            nodes.add("Pad", tensor, nodes.constant([0, 0, 0, 0, 1, 0], np.int64), out=name)

    def shapes(self) -> dict[str, tuple[type, tuple[int, ...]]]:
        """See `Head`."""
        classes = sum(name is not None for name in self.channels)
        return {BOXES: (np.float32, (-1, CORNERS)), SCORES: (np.float32, (-1, classes))}

    def parts(self) -> dict[str, Any]:
        """See `Head`."""
        return dict(self.card)

    def _check(self, first: Array, values: Sequence[Array]) -> None:
        count = len(self.channels)
        columns = {"yolov8": CORNERS + count, "yolov5": CORNERS + 1 + count, "rows": END_COLUMNS, "apart": CORNERS}
        if first.ndim != ROWS or first.shape[2] != columns[self.way]:
            raise OwnModelError(
                f"{self.outputs[0]} gives {list(values[0].shape)}, where {self.way} of {count} classes has "
                f"{columns[self.way]} numbers for a box: are --classes, --background and --decode right?"
            )
        if self.way == "apart" and len(values) < ROWS and values[1].shape[-1] != count:
            raise OwnModelError(f"{self.outputs[1]} gives {list(values[1].shape)} scores of {count} classes")

    def _spread(self, scores: Array, classes: Array) -> Floats:
        """One score for each box, (1, M), as one for each class, (1, M, K)."""
        count = len(self.channels)
        return np.where(np.rint(classes)[..., np.newaxis] == np.arange(count), scores[..., np.newaxis], 0).astype(
            np.float32
        )

    def _lay_spread(self, nodes: Nodes, scores: str, classes: str) -> str:
        """The same, of (N, M, 1) each."""
        numbers = nodes.constant([np.arange(len(self.channels), dtype=np.float32)])
        same = nodes.add("Cast", nodes.add("Equal", nodes.add("Round", classes), numbers), to=1)
        return nodes.add("Mul", scores, same)


def _ended(rows: Array) -> Floats:
    """With one row more, of nothing."""
    ended: Floats = np.pad(rows, ((0, 0), (0, 1), (0, 0))).astype(np.float32)
    return ended


def _way(outputs: Sequence[Tensor], wanted: Wanted) -> tuple[str, tuple[str, ...]]:
    """How boxes are given, and by which outputs."""
    count = len(wanted.channels)
    said = wanted.decode
    if len(outputs) == 1:
        dims, name = outputs[0].dims, outputs[0].name
        fitting = [
            way
            for way, number in (
                ("yolov8", dims[1:2] == (CORNERS + count,)),
                ("yolov5", dims[2:3] == (CORNERS + 1 + count,)),
                ("rows", dims[-1:] == (END_COLUMNS,)),
            )
            if number
        ]
        if said is None and len(fitting) == 1:
            return fitting[0], (name,)
        if said in {"yolov8", "yolov5", "rows"}:
            return said, (name,)
        raise OwnModelError(
            f"How {outputs[0]} gives boxes of {count} classes cannot be told: say --decode yolov8, yolov5 or rows"
        )
    if len(wanted.outputs) == ROWS and said in (None, "apart"):  # in the order in which they are named
        return "apart", (wanted.outputs[0], wanted.outputs[1], wanted.outputs[2])
    most = max(len(each.dims) for each in outputs)
    boxes = [each for each in outputs if len(each.dims) == most and each.dims[-1:] == (CORNERS,)]
    if len(boxes) != 1 or said not in (None, "apart"):
        raise OwnModelError(
            f"Which output gives boxes cannot be told: {found_in_words(outputs)}; name boxes, scores and classes"
            " with --outputs"
        )
    axes = len(boxes[0].dims)
    others = [each for each in outputs if each is not boxes[0]]
    spread = [each for each in others if len(each.dims) == axes and each.dims[-1] in (count, None)]
    if len(spread) == 1:
        return "apart", (boxes[0].name, spread[0].name)
    rows = [each for each in others if len(each.dims) == axes - 1]
    numbers = [each for each in rows if np.issubdtype(each.dtype, np.integer)]
    scores = [each for each in rows if each not in numbers]
    if len(scores) == len(numbers) == 1:
        return "apart", (boxes[0].name, scores[0].name, numbers[0].name)
    raise OwnModelError(
        f"Which output gives the scores of {count} classes cannot be told: {found_in_words(outputs)}; "
        "name boxes, scores and classes, in this order, with --outputs"
    )
