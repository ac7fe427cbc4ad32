"""What a job's record keeps of a result, so that lists of jobs and of their images need no results."""

import json
import logging
import math
from collections.abc import Mapping
from typing import Any

from oncoserve.tasks import task_of_kind

# As JSON. The models here need less than 500; a job of 1,000 images is read as a whole, so each has to be small.
MAX_BYTES = 4096

OF_A_SLICE = ("series", "plane", "position_mm", "frame", "frames")

log = logging.getLogger(__name__)


def finding_of(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The numbers of a stored result that a list shows: of its task, who answered, which slice, and codes of warnings.

    Never an error: a list without a number is no reason to lose a result.

    Args:
        document: the result's JSON document. It may be of an older version, or of a task that is not known here.

    Returns:
        Values as JSON has them, no more than MAX_BYTES; None where there is nothing that could be kept.
    """
    task = task_of_kind(document.get("task", ""))
    try:
        found = _finite(
            {
                "task": document["task"],
                "version": document["version"],
                **(task.finding(document) if task else {}),
                **_slice(document),
                "warnings": sorted({each["code"] for each in document["warnings"]}),
            }
        )
        size = len(json.dumps(found, ensure_ascii=False).encode())
    except Exception:  # whatever is wrong with what was stored
        log.exception("no finding could be made of a result", extra={"result": document.get("id")})
        return None
    if size > MAX_BYTES:
        text = "a finding was left out: it has %d bytes, and the limit is %d"
        log.warning(text, size, MAX_BYTES, extra={"result": document.get("id")})
        return None
    return dict(found)


def finding_in(outcome: str | None) -> Mapping[str, Any] | None:
    """The finding in the JSON of an `Outcome`, for lists: one that is damaged does not take the others with it."""
    try:
        found = json.loads(outcome or "{}").get("finding")
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, dict) else None


def _slice(document: Mapping[str, Any]) -> dict[str, Any]:
    """Where a slice lies in its series, and the size of the pixels that it was measured with; nothing of a picture."""
    image = document.get("image") or {}
    scan = image.get("dicom")
    if not scan:
        return {}
    mm_per_px = document.get("mm_per_px") or image.get("mm_per_px")
    return {"slice": {**{name: scan.get(name) for name in OF_A_SLICE}, "mm_per_px": mm_per_px}}


def _finite(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The same with None for numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
