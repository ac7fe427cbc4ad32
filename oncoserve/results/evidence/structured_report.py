"""A result as a structured report after TID 1500: what was found, measured, by which model, and how far to trust it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from highdicom.sr import (
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import SecondaryCaptureImageStorage

from oncoserve.results.evidence.evidence_file import MAKER, Output
from oncoserve.results.evidence.measured_groups import Groups
from oncoserve.results.evidence.output_uids import device_uid
from oncoserve.results.report import Report, describe

PROCEDURES: Final = {
    "MR": ("113091000", "Magnetic resonance imaging"),
    "CT": ("77477000", "Computerized axial tomography"),
}
MODALITIES: Final = {"MR": "Magnetic Resonance", "CT": "Computed Tomography", "US": "Ultrasound", "OT": "Other"}
IMAGING: Final = ("363679005", "Imaging procedure")


def structured_report(output: Output, document: Mapping[str, Any]) -> Dataset:
    """The object.

    Args:
        output: what is made.
        document: the result, as it reads with the options.
    """
    groups = Groups(output, document)
    found = groups.all()
    comments = [*_comments(document, describe(document, output.stored.card)), *groups.left_out, output.words]
    # The first group is about the whole picture, and says in words what the others say in numbers.
    for text in comments:
        item = TextContentItem(codes.DCM.Comment, text, RelationshipTypeValues.CONTAINS)
        found[0][0].ContentSequence.append(item)
    header = output.source.header
    value, meaning = PROCEDURES.get(header.Modality, IMAGING)
    report = MeasurementReport(
        _observed(output),
        CodedConcept(value, "SCT", meaning),
        found,
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=[_as_any_image(header)],
    )
    made = ComprehensiveSR(
        evidence=[_as_any_image(header)],
        content=report[0],
        is_complete=True,
        **output.fields("Report"),
    )
    _state_modality(made, header.Modality)
    return made


def _comments(document: Mapping[str, Any], report: Report) -> Iterator[str]:
    """The result in words, its numbers in rows, and what makes it doubtful."""
    yield ": ".join(each for each in (report.title, report.figure) if each)
    if report.description:
        yield report.description
    for row in report.rows:
        yield f"{row.title}: {', '.join(row.numbers)}"
    for each in document["warnings"]:
        yield f"Warning: {each['message']}"


def _observed(output: Output) -> ObservationContext:
    """By the model, as a device."""
    made = output.made
    device = DeviceObserverIdentifyingAttributes(
        device_uid(made["model"], made["version"], made["model_sha256"]),
        name=f"{made['model']} {made['version']}",
        manufacturer_name=MAKER,
        model_name=made["model"],
        serial_number=output.sha256,
    )
    return ObservationContext(ObserverContext(codes.DCM.Device, device))


def _as_any_image(header: Dataset) -> Dataset:
    """As the class that the library asks nothing of: of others it repeats what they may lack."""
    found = Dataset()
    found.update(header)
    found.SOPClassUID, found.Modality = SecondaryCaptureImageStorage, "OT"
    return found


def _state_modality(dataset: Dataset, modality: str) -> None:
    """In place of that of the class which the library was given."""

    def state(item: Dataset, element: DataElement) -> None:
        del element
        name = item.get("ConceptNameCodeSequence")
        if name and name[0].get("CodeValue") == codes.DCM.Modality.value and "ConceptCodeSequence" in item:
            item.ConceptCodeSequence = [CodedConcept(modality, "DCM", MODALITIES.get(modality, modality))]

    dataset.walk(state, recursive=True)
