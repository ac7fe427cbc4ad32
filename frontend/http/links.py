"""Addresses of this API: the one place that composes them. What is stored knows names, callers get addresses."""

from collections.abc import Mapping
from typing import Any

MODELS, RESULTS, JOBS = "/v1/models", "/v1/results", "/v1/jobs"


def of_result(result: str, files: Mapping[str, str]) -> dict[str, str]:
    """The addresses of a result's files.

    Args:
        result: its id.
        files: file names by what they are, as in `{"overlay": "overlay.png"}`.
    """
    return {kind: f"{RESULTS}/{result}/{name}" for kind, name in files.items()}


def shown(document: Mapping[str, Any]) -> dict[str, Any]:
    """A result's document as callers get it: with addresses, in place of the names of its files."""
    fields = dict(document)
    files = fields.pop("files", None)
    if files is not None:  # otherwise it was stored by a version that wrote addresses into it, and they still hold
        own, model = f"{RESULTS}/{fields['id']}", f"{MODELS}/{fields['model']}"
        fields["links"] = {"self": own, **of_result(fields["id"], files), "model": model}
    return fields
