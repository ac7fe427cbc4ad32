"""What another model says about the same picture, where two models answer the same question."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oncoserve.results.identity import result_id
from oncoserve.results.report import percent
from oncoserve.tasks.base import ServedModel
from oncoserve.tasks.card import Card

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """A result beside that of another model for the same picture.

    Attributes:
        model: the other model's name.
        result: the id of its result; None where it has not been asked, or its result is gone.
        label: its answer; None where it gives none.
        probability: of that label, 0 to 1.
        agrees: whether the labels are the same; None where one is missing.
        message: the same for people.
    """

    model: str
    result: str | None
    label: str | None
    probability: float | None
    agrees: bool | None
    message: str


def counterpart(document: Document, other: ServedModel) -> str:
    """The id that another model's result for the same picture has, asked without parameters."""
    return result_id(document["provenance"]["input_sha256"], other, other.task.parameters())


def comparable(document: Document, own: Card, other: Card) -> bool:
    """Whether both models give one label out of the same classes, as a card that names another promises."""
    return "label" in document and {each.name for each in own.classes} == {each.name for each in other.classes}


def compare(document: Document, card: Card, answer: Document | None) -> Comparison:
    """Lay two answers beside each other.

    Args:
        document: the result.
        card: the other model's.
        answer: the other model's result, if there is one.
    """
    if answer is None:
        return Comparison(card.name, None, None, None, None, f"{card.title} has not been asked about this picture.")
    label, own = answer["label"], document["label"]
    if label is None:
        message = f"{card.title} gives no answer for this picture."
        return Comparison(card.name, answer["id"], None, None, None, message)
    probability = answer["probabilities"][label]
    titles = {each.name: each.title for each in card.classes}
    found = f"{titles.get(label, label)}, {percent(probability)}"
    if own is None:
        return Comparison(card.name, answer["id"], label, probability, None, f"{card.title} answers: {found}.")
    if label == own:
        message = f"{card.title} agrees: {found}. Both can be wrong."
    else:
        message = f"{card.title} disagrees: {found}. At least one of the two is wrong."
    return Comparison(card.name, answer["id"], label, probability, label == own, message)
