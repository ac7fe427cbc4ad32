"""The models that were added to a repository: checking them again, and taking them away."""

import json
from pathlib import Path

import numpy as np

from model_export.export_files import newest_version, sha256_of
from model_export.own import one_execution
from model_export.own.bounded.work_folder import work_folder
from model_export.own.own_errors import OwnModelError
from model_export.own.own_versions import RECORD, was_added
from oncoserve.prediction.model_files import read_cards


def check(repository: Path, name: str) -> list[str]:
    """Check a model that is in the repository, whoever made it, down to one execution in the real Triton.

    Returns:
        What was found right, a line each.

    Raises:
        OwnModelError: Something is not; the first of it.
    """
    folder = _folder(repository, name)
    cards, problems = read_cards(repository)
    if name in problems:
        raise OwnModelError(problems[name])
    found = [f"card.json: {cards[name].newest.task} of {len(cards[name].newest.classes)} classes"]
    version = _newest(folder)
    for file, recorded in _recorded(version).items():
        sha256 = sha256_of(version / file)
        if sha256 != recorded:
            raise OwnModelError(f"{version.name}/{file} has sha256 {sha256}, its record says {recorded}")
        found.append(f"{version.name}/{file}: sha256 as recorded")
    with one_execution.alone(repository, name) as (alone, work):
        answers = one_execution.execute(alone, name, None, work)
    for output, array in answers.items():
        if not np.isfinite(array).all():
            raise OwnModelError(f"{output} of a picture of noise has values that are not finite")
        found.append(f"Triton: {output} {array.dtype} {list(array.shape)} of a picture of noise")
    return found


def remove(repository: Path, name: str) -> Path:
    """Take a model away that was added; those that come with the project stay.

    Returns:
        The folder that was there.

    Raises:
        OwnModelError: There is none, or it was not added.
    """
    folder = _folder(repository, name)
    if not was_added(_newest(folder)):
        raise OwnModelError(f"{folder} was not made by `oncoserve models add`: take it away yourself, if it is yours")
    with work_folder(repository, "removing") as away:
        try:
            folder.rename(away / name)  # gone at once, whatever becomes of the rest
        except OSError as error:  # somebody else was first, or it may not be written
            raise OwnModelError(f"{folder} cannot be taken away: {error.strerror}") from error
    return folder


def _folder(repository: Path, name: str) -> Path:
    folder = repository / name
    if not name or name.startswith(".") or "/" in name or not folder.is_dir():
        there = ", ".join(sorted(path.name for path in repository.glob("[!.]*/"))) or "none"
        raise OwnModelError(f"{repository} has no model {name!r}; there is: {there}")
    return folder


def _newest(folder: Path) -> Path:
    try:
        return newest_version(folder)
    except FileNotFoundError as error:
        raise OwnModelError(f"{folder} has no version, which is a folder that a number names") from error


def _recorded(version: Path) -> dict[str, str]:
    """By file of a version the sha256 that its record says; none where it has no record.

    Raises:
        OwnModelError: It has one that cannot be read.
    """
    try:
        content = (version / RECORD).read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise OwnModelError(f"{version.name}/{RECORD} cannot be read: {error.strerror}") from error
    try:
        files = json.loads(content)["files"]
        return {Path(name).name: str(about["sha256"]) for name, about in files.items()}
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise OwnModelError(f"{version.name}/{RECORD} is not as `oncoserve models add` writes it: {error}") from error
