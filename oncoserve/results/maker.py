"""Which model made a result, in the version that did or one that can stand in for it."""

from collections.abc import Callable, Mapping
from typing import Any

from oncoserve.errors import VersionNotFound
from oncoserve.tasks.base import ServedModel


def maker(document: Mapping[str, Any], model_of: Callable[[str, str | None], ServedModel]) -> ServedModel:
    """The version that made a result; where it is served no more the newest, if that answers in the same way.

    Args:
        document: the result.
        model_of: the model of that name in this version, None is the newest.

    Raises:
        VersionNotFound, and what `model_of` raises.
    """
    try:
        return model_of(document["model"], document["version"])
    except VersionNotFound:
        newest = model_of(document["model"], None)
        classes = {each.name for each in newest.card.classes}
        if newest.task.kind != document["task"] or classes != set(document.get("probabilities") or classes):
            raise
        return newest
