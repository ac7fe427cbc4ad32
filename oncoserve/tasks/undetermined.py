"""Why no class is named: a number that a model gave, beside the limit of its card."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from oncoserve.pictures.rgb import Warn

UNLIKE_TRAINING: Final = "unlike_training"
NOTHING_SEEN: Final = "nothing_seen"
CLASSES_CLOSE: Final = "classes_close"
UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class Undetermined:
    """A reason.

    Attributes:
        code: stable: one of those above, or that of the warning which says why the model was not asked.
        text: the same for people.
        value: what was met; None where the model was not asked.
        limit: of the card; likewise.
    """

    code: str
    text: str
    value: float | None = None
    limit: float | None = None

    @classmethod
    def of(cls, doubt: Warn) -> "Undetermined":
        """The model was not asked."""
        return cls(doubt.code, doubt.message)

    def document(self) -> dict[str, Any]:
        """For the result."""
        return asdict(self)


def reason(document: Mapping[str, Any]) -> str | None:
    """The code of why a stored result names no class; None where it names one."""
    if document.get("label") is not None:
        return None
    if stated := document.get("undetermined"):
        return str(stated["code"])
    # Results of a localisation, and of older versions, say it by their warnings.
    return str(document["warnings"][0]["code"]) if document["warnings"] else UNKNOWN


def unlike_training(strangeness: float, most: float) -> Undetermined | None:
    """Whether a picture is too unlike those that the model was trained on.

    Args:
        strangeness: how unlike it is, as the model says.
        most: the limit.
    """
    text = (
        "The picture is unlike those that the model was trained on: strangeness {}. "
        "Whatever the model said of it would mean nothing."
    )
    return _beyond(UNLIKE_TRAINING, text, strangeness, most) if strangeness > most else None


def nothing_seen(certainty: float, least: float, what: str) -> Undetermined | None:
    """Whether there is too little to be seen for a class.

    Args:
        certainty: of the mask where it is highest, 0 to 1.
        least: the limit.
        what: is looked for, in a word.
    """
    text = f"The model sees no {what} that it could name: its mask reaches {{}}. That does not mean that there is none."
    return _beyond(NOTHING_SEEN, text, certainty, least) if certainty < least else None


def classes_close(probability: float, least: float) -> Undetermined | None:
    """Whether no class is probable enough.

    Args:
        probability: of the most probable class, 0 to 1.
        least: the limit.
    """
    text = "No class is probable enough to be named: the most probable has {}."
    return _beyond(CLASSES_CLOSE, text, probability, least) if probability < least else None


def _beyond(code: str, text: str, value: float, limit: float) -> Undetermined:
    """A reason in whose text value and limit stand with three digits, or with as many as tell the two apart."""
    pairs = ((f"{value:.{digits}g}", f"{limit:.{digits}g}") for digits in range(3, 18))
    met, bound = next((pair for pair in pairs if pair[0] != pair[1]), (str(value), str(limit)))
    return Undetermined(code, text.format(f"{met}, and {bound} is the limit"), round(value, 6), limit)
