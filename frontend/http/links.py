"""Addresses of this API: the one place that composes them. What is stored knows names, callers get addresses."""

from collections.abc import Mapping
from typing import Any

from starlette.types import Scope

MODELS, RESULTS, JOBS = "/v1/models", "/v1/results", "/v1/jobs"
ROOT = "root_path"  # in the state of a server: the path by the settings, see `root_of`


def root_of(scope: Scope) -> str:
    """The path that the service is published under, which every address begins with; empty at a host's root."""
    return str(scope.get("app_root_path", scope.get("root_path", "")))  # in a mounted application the latter is longer


def path_of(scope: Scope) -> str:
    """The path of a request below that one, as the routes have it."""
    return str(scope["path"]).removeprefix(root_of(scope))


def of_result(result: str, files: Mapping[str, str], root: str = "") -> dict[str, str]:
    """The addresses of a result's files.

    Args:
        result: its id.
        files: file names by what they are, as in `{"overlay": "overlay.png"}`.
        root: see `root_of`.
    """
    return {kind: f"{root}{RESULTS}/{result}/{name}" for kind, name in files.items()}


def shown(document: Mapping[str, Any], root: str = "") -> dict[str, Any]:
    """A result's document as callers get it: with addresses, in place of the names of its files.

    Args:
        document: as it is stored.
        root: see `root_of`.
    """
    fields = dict(document)
    files = fields.pop("files", None)
    if files is None:  # it was stored by a version that wrote addresses into it, and they still hold
        fields["links"] = {kind: f"{root}{address}" for kind, address in fields.get("links", {}).items()}
    else:
        own, model = f"{root}{RESULTS}/{fields['id']}", f"{root}{MODELS}/{fields['model']}"
        fields["links"] = {"self": own, **of_result(fields["id"], files, root), "model": model}
    return fields
