"""What people correct in a result: objects that are not to be counted. Kept beside the result, by view."""

import json
from typing import Final

from oncoserve.errors import TooManyCorrections
from oncoserve.tasks import task_of_kind
from oncoserve.tasks.parameters import Parameters

MAX_VIEWS: Final = 100
"""Views of one result, such as thresholds, that may hold corrections."""

Corrections = dict[str, list[str]]
"""Ids of the excluded objects, by the view's parameters as JSON: objects are others at another threshold."""


def possible(document: bytes) -> bool:
    """Whether a result may have notes: of most tasks nothing can be excluded.

    Args:
        document: the result's; one without its task, as older versions wrote it, may.
    """
    task = task_of_kind(json.loads(document).get("task", ""))
    return task is None or any(each.objects is not None for each in task.all_renderings)


def parse(notes: bytes | None) -> Corrections:
    """The corrections in a result's notes."""
    found: Corrections = {} if notes is None else json.loads(notes)
    return found


def are_whole(notes: bytes) -> bool:
    """Whether these bytes are what `changed` makes, and not what a damaged disk made of it."""
    try:
        found = json.loads(notes)
    except ValueError:
        return False
    return isinstance(found, dict) and all(
        isinstance(ids, list) and all(isinstance(each, str) for each in ids) for ids in found.values()
    )


def changed(notes: bytes | None, view: Parameters, excluded: frozenset[str]) -> bytes:
    """The notes with these objects, and no others, excluded in `view`.

    Raises:
        TooManyCorrections: over `MAX_VIEWS`.
    """
    kept = parse(notes)
    kept.pop(view.model_dump_json(), None)
    if excluded:
        kept[view.model_dump_json()] = sorted(excluded)
    if len(kept) > MAX_VIEWS:
        raise TooManyCorrections(MAX_VIEWS)
    return json.dumps(kept).encode()
