"""What callers may say of a DICOM output."""

from oncoserve.tasks.parameters import Parameters


class EvidenceOptions(Parameters):
    """How a DICOM output is made."""

    deidentify: bool = False
    """Whether it is made after the Basic Profile of PS3.15, Annex E: without the patient, with other UIDs."""
