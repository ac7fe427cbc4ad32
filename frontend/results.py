"""Where results live: content-addressed, written aside and renamed, the document last."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from frontend.errors import ResultNotFound, StorageUnavailable

DOCUMENT = "result.json"
PICTURE = "picture"
RESULT_ID = re.compile(r"[0-9a-f]{32}")


def result_id(
    image_sha256: str, model: str, version: str, model_sha256: str | None, parameters: Mapping[str, Any]
) -> str:
    """The name that the same question always gets: 32 hexadecimal digits."""
    question = [image_sha256, model, version, model_sha256, dict(parameters)]
    text = json.dumps(question, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class ResultStore:
    """Results as files: `<folder>/<first two digits>/<id>/{result.json, picture, ...}`.

    `result.json` is written last, so a result that can be read is whole, whenever the process was killed. All methods
    block and are called from threads.

    Args:
        folder: where the results go; made when it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, result: str, document: bytes, files: Mapping[str, bytes]) -> None:
        """Keep a result.

        Args:
            result: its id.
            document: the JSON document.
            files: everything else, by file name.

        Raises:
            StorageUnavailable: the folder cannot be written.
        """
        folder = self._path(result)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in [*files.items(), (DOCUMENT, document)]:
                _write(folder / name, content)
        except OSError as error:
            raise StorageUnavailable(error.strerror or "unknown reason") from error

    def find(self, result: str) -> bytes | None:
        """The JSON document of a result, or None."""
        if not RESULT_ID.fullmatch(result):
            return None
        try:
            return (self._path(result) / DOCUMENT).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailable(error.strerror or "unknown reason") from error

    def document(self, result: str) -> bytes:
        """The JSON document of a result.

        Raises:
            ResultNotFound: there is none.
            StorageUnavailable: the folder cannot be read.
        """
        found = self.find(result)
        if found is None:
            raise ResultNotFound(result)
        return found

    def files(self, result: str) -> dict[str, bytes]:
        """Everything but the document, by file name.

        Raises:
            ResultNotFound: there is no such result.
            StorageUnavailable: the folder cannot be read.
        """
        self.document(result)
        try:
            return {
                path.name: path.read_bytes() for path in self._path(result).iterdir() if not path.name.startswith(".")
            }
        except OSError as error:
            raise StorageUnavailable(error.strerror or "unknown reason") from error

    def _path(self, result: str) -> Path:
        return self._folder / result[:2] / result


def _write(path: Path, content: bytes) -> None:
    descriptor, aside = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
