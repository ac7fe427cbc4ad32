"""Whether a scan is of the kind that a model's card names: another body part or sequence is told, or refused."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from oncoserve.errors import OutOfScope
from oncoserve.pictures.rgb import Warn
from oncoserve.tasks.card import Card, ScopeRule

if TYPE_CHECKING:
    from oncoserve.pictures.dicom.scan import Scan

WORDS: Final = {
    "modality": "modality",
    "body_part": "body part",
    "plane": "plane",
    "weighting": "weighting",
    "contrast": "contrast agent",
    "derived": "image that was computed from others",
}


def check_scope(card: Card, scan: "Scan | None") -> None:
    """Refuse a scan that the model is not for, where its card says that such are refused.

    What a file does not say is not held against it.

    Args:
        card: the model's.
        scan: what the file says; None where its kind says nothing.

    Raises:
        OutOfScope
    """
    for rule, met in _broken(card, scan):
        if rule.otherwise == "refuse":
            raise OutOfScope(card.name, WORDS[rule.fact], met, rule.expected)


def outside(card: Card, scan: "Scan | None") -> tuple[Warn, ...]:
    """What a scan is that the model's card does not name; see `check_scope`."""
    return tuple(
        Warn(
            "out_of_scope",
            f"The file says {WORDS[rule.fact]}: {met}; the model is for: {' or '.join(rule.expected)}. Its answer may "
            "be worth nothing here.",
        )
        for rule, met in _broken(card, scan)
    )


def _broken(card: Card, scan: "Scan | None") -> Iterator[tuple[ScopeRule, str]]:
    """The rules that a scan does not keep, each with what it says instead."""
    for rule in card.scope if scan else ():
        met = scan.facts.said(rule.fact) if scan else ""
        if met and not set(met.split("\\")) & set(rule.expected):
            yield rule, met
