"""Which DICOM outputs a model's results have, and how each is made when somebody asks for it.

What makes them is imported then: the library takes a second and 20 MB, of every process and of every start.
"""

from collections.abc import Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from PIL import Image
from pydantic import create_model

from oncoserve.errors import SourceNotDicom
from oncoserve.results.evidence.evidence_options import EvidenceOptions
from oncoserve.results.result_store import SOURCE
from oncoserve.tasks.base import Rendering, Stored, Task
from oncoserve.tasks.card import Card
from oncoserve.tasks.parameters import Parameters

if TYPE_CHECKING:
    from oncoserve.results.evidence.evidence_file import Output

DICOM: Final = "application/dicom"
SEG, SR, SC = "seg.dcm", "sr.dcm", "sc.dcm"


def evidence(task: Task, renderings: tuple[Rendering, ...]) -> tuple[Rendering, ...]:
    """What can be made of a task's results where the picture was a DICOM image.

    Args:
        task: whose results they are.
        renderings: what else is made of them: a segmentation needs the mask, a capture the overlay.
    """
    options = _options_with(task.view)
    by_name = {each.name: each for each in renderings}
    found = [Rendering(SR, DICOM, "The result as a DICOM structured report", options, partial(_report, task))]
    if (mask := by_name.get("mask.png")) and mask.masks:
        draw = partial(_segmentation, task, mask)
        found.insert(0, Rendering(SEG, DICOM, "The mask as a DICOM segmentation", options, draw))
    if overlay := by_name.get("overlay.png"):
        draw = partial(_capture, task, overlay)
        found.append(Rendering(SC, DICOM, "The overlay as a DICOM secondary capture", options, draw))
    return tuple(found)


def evidence_files(task: Task, card: Card, document: Mapping[str, Any], source: bytes | None) -> dict[str, str]:
    """The names of these files, by kind, as far as they can be made: no segmentation where there is nothing to segment.

    Args:
        task: whose result it is.
        card: the model's.
        document: what the task found.
        source: `source.dcm`; None where the picture was no DICOM image.
    """
    if source is None:
        return {}
    from oncoserve.results.evidence.source_header import can_be_referred_to  # noqa: PLC0415 - see above

    if not can_be_referred_to(source):
        return {}
    outlined = (document.get("localisation") or {}).get("outline")
    there = bool(outlined) or any(area["px"] for area in document.get("areas", {}).values())
    found = evidence(task, task.renderings(card))
    return {each.kind: each.name for each in found if there or each.name != SEG}


@cache
def _options_with(view: type[Parameters]) -> type[EvidenceOptions]:
    # pydantic's types ask for bases of one kind, and its classes do not.
    return create_model("EvidenceOptionsOfView", __base__=(EvidenceOptions, view))  # type: ignore[arg-type]


def _view(task: Task, options: EvidenceOptions) -> Parameters:
    return task.view.model_validate(options.model_dump(include=set(task.view.model_fields)))


def _output(kind: str, task: Task, stored: Stored, options: EvidenceOptions) -> "Output":
    from oncoserve.results.evidence.evidence_file import Output  # noqa: PLC0415 - see above

    if SOURCE not in stored.files:
        raise SourceNotDicom(f"{kind}.dcm", stored.document["image"]["format"])
    view = task.settled(_view(task, options), stored.card)
    return Output(kind, stored, options, stored.excluded(view))


def _report(task: Task, stored: Stored, options: EvidenceOptions) -> bytes:
    from oncoserve.results.evidence.structured_report import structured_report  # noqa: PLC0415

    output = _output("sr", task, stored, options)
    document: Mapping[str, Any] = {**stored.document, **task.review(stored, _view(task, options))}
    return output.bytes(partial(structured_report, document=document))


def _segmentation(task: Task, mask: Rendering, stored: Stored, options: EvidenceOptions) -> bytes:
    from oncoserve.results.evidence.segmentation_object import segmentation  # noqa: PLC0415

    output = _output("seg", task, stored, options)
    assert mask.masks is not None  # noqa: S101 - see `evidence`
    found = mask.masks(stored, _view(task, options))
    return output.bytes(partial(segmentation, masks=found))


def _capture(task: Task, overlay: Rendering, stored: Stored, options: EvidenceOptions) -> bytes:
    from oncoserve.results.evidence.secondary_capture import secondary_capture  # noqa: PLC0415

    output = _output("sc", task, stored, options)
    drawn = overlay.draw(stored, overlay.options.model_validate(_view(task, options).model_dump()))
    assert isinstance(drawn, Image.Image)  # noqa: S101 - it is a picture by its media type
    return output.bytes(partial(secondary_capture, drawn=drawn))
