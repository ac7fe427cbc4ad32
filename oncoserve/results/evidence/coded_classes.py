"""What a model finds, in the codes that DICOM objects name things with."""

from typing import Any, Final

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept

from oncoserve.tasks.card import Code, ModelClass

OWN: Final = "99ONCOSERVE"
"""Scheme of what a card gives no code for; that it is private shows by the 99 (PS3.16, section 8)."""
TISSUE: Final = Code(value="85756007", meaning="Tissue")
MOST_LETTERS: Final = 64
"""Of a meaning (LO)."""
AREA_SHARE: Final = Code(value="area-share", scheme=OWN, meaning="Share of the area")


def concept(code: Code) -> CodedConcept:
    """A code for an object."""
    return CodedConcept(code.value, code.scheme, code.meaning)


def type_of(each: ModelClass) -> CodedConcept:
    """What a class is."""
    return concept(each.code or Code(value=each.name, scheme=OWN, meaning=each.title[:MOST_LETTERS]))


def category_of(each: ModelClass) -> CodedConcept:
    """Of which kind that is."""
    return concept(each.category or TISSUE)


def schemes() -> list[Any]:
    """What the private scheme is."""
    return [CodingSchemeIdentificationItem(designator=OWN, name="Classes of models in Oncoserve")]
