"""What an endpoint answered: an archive with a result and its files, or with the problem that there is."""

import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from oncoserve.errors import ModelNotFound
from oncoserve.jobs.attempts import GONE
from oncoserve.jobs.job import Fault
from oncoserve.jobs.sagemaker.answer_format import MAX_BYTES, MAX_CONTENT_BYTES, MAX_FILES, PROBLEM
from oncoserve.jobs.sagemaker.setting_back import Setback
from oncoserve.results.archive import DOCUMENT, SIGNS
from oncoserve.results.result_store import RESULT_ID

NAME = re.compile(r"[A-Za-z0-9_-]{1,80}(\.[A-Za-z0-9_-]{1,20}){0,3}")
CODE = re.compile(r"[a-z0-9_]{1,64}")
MAX_TITLE, MAX_DETAIL = 200, 1000
LATER = frozenset({429, 503})
"""Statuses of what says nothing about the picture: too busy, stopping, no room, the model away."""


@dataclass(frozen=True)
class Answer:
    """A result: its document as it is stored, and its files by name, each read when it is asked for."""

    document: Mapping[str, Any]
    files: Mapping[str, str]
    archive: zipfile.ZipFile

    async def draw(self, name: str) -> bytes:
        """One of the files.

        Raises:
            ValueError: it is damaged.
        """
        try:
            return self.archive.read(name)
        except SIGNS as error:
            raise ValueError(f"{name} is damaged") from error


def read_answer(content: bytes, model: str) -> Answer | Fault | Setback:
    """The result in an endpoint's answer, or why there is none: for the picture's sake, or for another.

    Args:
        content: the answer.
        model: that was asked.

    Raises:
        ValueError: it is no answer of ours; the text says why.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        _check(archive.infolist())
        entries = frozenset(archive.namelist())
        if PROBLEM in entries:
            return _problem(_object(archive, PROBLEM))
        document = _object(archive, DOCUMENT)
    except SIGNS as error:
        raise ValueError(f"it cannot be read: {str(error)[:200]}") from error
    return Answer(document, _files(document, entries, model), archive)


def _check(entries: Sequence[zipfile.ZipInfo]) -> None:
    size = sum(each.file_size for each in entries)
    if len(entries) > MAX_FILES or size > MAX_CONTENT_BYTES:
        limits = f"{MAX_FILES} and {MAX_CONTENT_BYTES}"
        raise ValueError(f"it holds {len(entries)} files of {size} bytes together; the limits are {limits}")


def _object(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    found = json.loads(archive.read(name))
    if not isinstance(found, dict):
        raise ValueError(f"{name} is not an object")  # noqa: TRY004 - of the file, as all that is wrong with it
    return found


def _files(document: Mapping[str, Any], entries: Set[str], model: str) -> dict[str, str]:
    """The files of a result by what they are, as its document names them; all of them are there."""
    if not RESULT_ID.fullmatch(str(document.get("id"))) or document.get("model") != model:
        raise ValueError(f"it is of model {str(document.get('model'))[:64]!r}, result {str(document.get('id'))[:64]!r}")
    files = document.get("files")
    if not isinstance(files, dict):
        raise ValueError(f"{DOCUMENT} names no files")  # noqa: TRY004 - of the file, as all that is wrong with it
    for name in files.values():
        if not isinstance(name, str) or not NAME.fullmatch(name) or name == DOCUMENT or name not in entries:
            raise ValueError(f"{DOCUMENT} names the file {str(name)[:64]!r}, which is not there")
    return files


def _problem(problem: Mapping[str, Any]) -> Fault | Setback:
    status, code = problem.get("status"), problem.get("code")
    if not isinstance(status, int) or not isinstance(code, str) or not CODE.fullmatch(code):
        raise ValueError(f"{PROBLEM} has the status {status!r:.20} and the code {code!r:.80}")
    detail = str(problem.get("detail") or "")[:MAX_DETAIL]
    if code in {each.code for each in GONE}:
        return Setback(detail, counted=False, gone=True)
    if status in LATER or code == ModelNotFound.code:
        return Setback(detail, counted=False)
    if 400 <= status < 500:  # noqa: PLR2004 - what HTTP calls the client's
        return Fault(code, str(problem.get("title") or "")[:MAX_TITLE], detail)
    return Setback(detail, counted=True)
