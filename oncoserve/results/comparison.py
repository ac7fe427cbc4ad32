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
        result: the id of its result; None where it has not been asked without parameters, or its result is gone.
        label: its answer; None where it gives none.
        probability: of that label, 0 to 1.
        agrees: whether the labels are the same; None where one is missing, or is none of the other model's classes.
        message: the same for people.
    """

    model: str
    result: str | None
    label: str | None
    probability: float | None
    agrees: bool | None
    message: str


def counterpart(document: Document, other: ServedModel) -> str:
    """The id that another model's result for the same picture has, asked without parameters of its own."""
    asked = document["provenance"]["parameters"]
    same = other.task.parameters(frame=asked.get("frame"), window=asked.get("window"))
    return result_id(document["provenance"]["input_sha256"], other, same)


def comparable(document: Document, own: Card, other: Card) -> bool:
    """Whether both models give one label, and at least two of their classes are the same."""
    return "label" in document and len(_names(own) & _names(other)) > 1


def compare(document: Document, own: Card, card: Card, answer: Document | None) -> Comparison:
    """Lay two answers beside each other. Labels agree or not where each could have been the other model's, too.

    Args:
        document: the result.
        own: its model's card.
        card: the other model's.
        answer: the other model's result, if there is one.
    """
    if answer is None:
        message = f"{card.title} has not been asked about this picture, or only with parameters."
        return Comparison(card.name, None, None, None, None, message)
    label, mine = answer["label"], document["label"]
    if label is None:
        message = f"{card.title} gives no answer for this picture."
        if answer.get("undetermined"):
            message = f"{card.title} names no class: {answer['undetermined']['text']}"
        return Comparison(card.name, answer["id"], None, None, None, message)
    probability = answer["probabilities"][label]
    titles = {each.name: each.title for each in (*own.classes, *card.classes)}
    found = f"{titles.get(label, label)}, {percent(probability)}"
    if mine is None:
        return Comparison(card.name, answer["id"], label, probability, None, f"{card.title} answers: {found}.")
    for named, asked in ((label, own), (mine, card)):
        if named not in _names(asked):
            lacks = f"{asked.title} has no class {titles.get(named, named)}"
            message = f"{card.title} answers: {found}. {lacks}, so that the two cannot be compared here."
            return Comparison(card.name, answer["id"], label, probability, None, message)
    if label == mine:
        message = f"{card.title} agrees: {found}. Both can be wrong."
    else:
        message = f"{card.title} disagrees: {found}. At least one of the two is wrong."
    return Comparison(card.name, answer["id"], label, probability, label == mine, message)


def _names(card: Card) -> set[str]:
    return {each.name for each in card.classes}
