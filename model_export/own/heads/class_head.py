"""One number for each class of the whole picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from model_export.own.given_graph import GivenGraph, Tensor
from model_export.own.heads.head import Answer, Array, found_in_words, not_probabilities, sigmoid, softmax
from model_export.own.nodes import Nodes
from model_export.own.own_errors import OwnModelError
from model_export.own.wanted import Wanted

PROBABILITIES: Final = "probabilities"
LIMIT: Final = 1e-5
"""Largest difference of a probability: float32 sums in another order stay two powers of ten below."""


@dataclass(frozen=True)
class ClassHead:
    """A classifier's.

    Attributes:
        output: What is read.
        classes: How many.
        many: Whether they do not exclude each other.
        single: Whether the one number is of the second of two classes, and the first has the rest.
        activated: Whether the output is probabilities; else a softmax is added, or a sigmoid where each is for itself.
        card: What the card says.
    """

    output: str
    classes: int
    many: bool
    single: bool
    activated: bool | None
    card: Mapping[str, Any]
    least_opset: int = 7

    @classmethod
    def find(cls, given: GivenGraph, wanted: Wanted) -> "ClassHead":
        """The output that has a number for each class.

        Raises:
            OwnModelError: There is none, or there are several.
        """
        count = len(wanted.classes)
        fitting = [each for each in given.outputs if each.dims[1:] in ((count,), (None,)) or _is_named(each)]
        exact = [each for each in fitting if each.dims[1:] == (count,)] or fitting
        single = [each for each in given.outputs if each.dims[1:] == (1,)]
        if not exact and count == 2 and wanted.labels == "one" and len(single) == 1:  # noqa: PLR2004 - one and the other
            return cls(single[0].name, count, many=False, single=True, activated=wanted.activated, card=_card(wanted))
        if len(exact) > 1:
            raise OwnModelError(
                f"Several outputs have a number for each of {count} classes: {found_in_words(given.outputs)}; say"
                " which with --outputs"
            )
        if not exact:
            raise OwnModelError(
                f"--classes names {count}; no output has [N, {count}], there is {found_in_words(given.outputs)}"
            )
        many = wanted.labels == "many"
        return cls(exact[0].name, count, many=many, single=False, activated=wanted.activated, card=_card(wanted))

    @property
    def reads(self) -> Sequence[str]:
        """The one output."""
        return (self.output,)

    @property
    def limits(self) -> Mapping[str, float]:
        """Of probabilities."""
        return {PROBABILITIES: LIMIT}

    def settled(self, answers: Sequence[Answer]) -> "ClassHead":
        """Whether these are probabilities.

        Raises:
            OwnModelError: See `Head`.
        """
        for answer in answers:
            if answer[self.output].shape != (1, 1 if self.single else self.classes):
                raise OwnModelError(
                    f"{self.output} gives {list(answer[self.output].shape)} for one picture of {self.classes} classes"
                )
        values = np.concatenate([answer[self.output] for answer in answers])
        wrong = not_probabilities(values, None if self.many or self.single else 1)
        if self.activated and wrong:
            raise OwnModelError(f"{self.output} gives {wrong}: say --answers logits, if that is what they are")
        return replace(self, activated=not wrong if self.activated is None else self.activated)

    def expected(self, answer: Answer) -> dict[str, Array]:
        """See `Head`."""
        values = answer[self.output].astype(np.float32)
        if not self.activated:
            values = sigmoid(values) if self.many or self.single else softmax(values, 1)
        return {PROBABILITIES: np.concatenate([1 - values, values], axis=1) if self.single else values}

    def lay(self, nodes: Nodes, given: Mapping[str, str]) -> None:
        """See `Head`."""
        values = nodes.add("Cast", given[self.output], to=1)
        if self.single:
            values = values if self.activated else nodes.add("Sigmoid", values)
            rest = nodes.add("Sub", nodes.constant(1.0), values)
            nodes.add("Concat", rest, values, out=PROBABILITIES, axis=1)
        elif self.activated:
            nodes.add("Identity", values, out=PROBABILITIES)
        elif self.many:
            nodes.add("Sigmoid", values, out=PROBABILITIES)
        else:
            nodes.add("Softmax", values, out=PROBABILITIES, axis=1)

    def shapes(self) -> dict[str, tuple[type, tuple[int, ...]]]:
        """See `Head`."""
        return {PROBABILITIES: (np.float32, (self.classes,))}

    def parts(self) -> dict[str, Any]:
        """See `Head`."""
        return dict(self.card)


def _card(wanted: Wanted) -> dict[str, Any]:
    return {"classification": wanted.model_dump(include={"labels", "least_probability", "thresholds"})}


def _is_named(tensor: Tensor) -> bool:
    return len(tensor.dims) == 2 and isinstance(tensor.dims[1], str)  # noqa: PLR2004 - batch and classes
