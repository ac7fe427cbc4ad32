"""Outputs without the patient: the Basic Profile of PS3.15, Annex E, by the table of the package dicom-anonymizer."""

import hashlib
import hmac
from dataclasses import dataclass
from functools import cache
from typing import Final

from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.uid import UID

from oncoserve.results.evidence.output_uids import uid_of

TABLE: Final = "dicomfields_2026c"
OURS: Final = frozenset(
    {
        "ContentSequence",
        "ContentCreatorName",
        "DerivationDescription",
        "DeviceSerialNumber",
        "ImageComments",
        "SegmentDescription",
        "SeriesDescription",
        "SourceImageSequence",
    }
)
"""What this service wrote itself, of itself and the model; in the structures of these, too, UIDs are replaced."""
DATES: Final = {"DA": "19000101", "TM": "000000", "DT": "19000101000000"}
"""Where one has to be there."""
METHODS: Final = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113104", "Clean Structured Content Option"),
    ("113105", "Clean Descriptors Option"),
    ("113109", "Retain Device Identity Option"),
)


@dataclass(frozen=True)
class Pseudonyms:
    """Other UIDs for those of the source, the same for the same, whichever file they are in.

    Attributes:
        secret: without it nobody can tell whether a UID stands for one that they know.
    """

    secret: bytes

    def uid(self, value: str) -> UID:
        """The other one."""
        return uid_of(hmac.digest(self.secret, value.encode(), hashlib.sha256))


def deidentify(dataset: Dataset, pseudonyms: Pseudonyms) -> None:
    """Take the patient out of an output, in place.

    Where the table leaves a choice, what can be empty is emptied, other things go, and a date that has to be there
    becomes a dummy. What this service wrote of itself stays, so three options of the profile are used and named.
    """
    _clean(dataset, pseudonyms)
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "REMOVED"
    dataset.DeidentificationMethod = "PS3.15 Basic Profile"
    dataset.DeidentificationMethodCodeSequence = [CodedConcept(value, "DCM", meaning) for value, meaning in METHODS]


def _clean(dataset: Dataset, pseudonyms: Pseudonyms) -> None:
    dataset.remove_private_tags()
    for element in list(dataset):
        action = _actions().get((element.tag.group, element.tag.element), "")
        if element.VR == "UI" and "U" in action:
            values = [element.value] if isinstance(element.value, str) else element.value
            found = [pseudonyms.uid(each) for each in values]
            element.value = found[0] if len(found) == 1 else found
        elif element.keyword in OURS or not action:
            for each in element.value if element.VR == "SQ" else ():
                _clean(each, pseudonyms)
        elif "X" in action and "Z" not in action:
            del dataset[element.tag]
        elif element.VR == "SQ":
            element.value = []
        else:
            element.value = DATES.get(element.VR, "") if "D" in action else ""


@cache
def _actions() -> dict[tuple[int, ...], str]:
    """By tag what the profile does: X removes, Z empties, D puts a dummy, U another UID in its place."""
    table = dicom_anonymization_database_selector(TABLE)
    return {tag: name.removesuffix("_TAGS") for name, tags in table.items() if name != "ALL_TAGS" for tag in tags}
