"""Where results live: content-addressed, written aside and renamed, the document last."""

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from frontend.errors import ResultNotFound, StorageUnavailable

DOCUMENT = "result.json"
PICTURE = "picture"
OWNERS = "keys"
REMOVED = ".removed-"
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

    Those of a key's owner lie in `<folder>/keys/<name>/`, in the same way. `result.json` is written last, so a result
    that can be read is whole, whenever the process was killed. All methods block and are called from threads.

    Args:
        folder: where the results go; made when it is missing.
        ttl_s: seconds after which a result is there no more, though its files may be until the next sweep; 0 is never.
    """

    def __init__(self, folder: Path, ttl_s: int = 0) -> None:
        self.folder = folder
        self.ttl_s = ttl_s

    def of(self, owner: str | None) -> "ResultStore":
        """The results of one owner; the same upload by two owners is two results, and neither learns of the other.

        Args:
            owner: a key's name; None where there are no keys.
        """
        return self if owner is None else ResultStore(self.folder / OWNERS / owner, self.ttl_s)

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
            with (self._path(result) / DOCUMENT).open("rb") as file:
                return None if self._expired(os.fstat(file.fileno())) else file.read()
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
        except FileNotFoundError:
            raise ResultNotFound(result) from None  # deleted this moment
        except OSError as error:
            raise StorageUnavailable(error.strerror or "unknown reason") from error

    def delete(self, result: str) -> None:
        """Remove a result with all its files.

        Raises:
            ResultNotFound: there is none.
            StorageUnavailable: the folder cannot be changed.
        """
        self.document(result)
        try:
            self._remove(self._path(result))
        except OSError as error:
            raise StorageUnavailable(error.strerror or "unknown reason") from error

    def shards(self) -> Iterator[Path]:
        """The folders that results of all owners lie in, for `sweep`."""
        for root in (self.folder, *self.folder.glob(f"{OWNERS}/*")):
            yield from root.glob("[0-9a-f][0-9a-f]")
            yield from root.glob(f"{REMOVED}*")

    def sweep(self, shard: Path) -> int:
        """Remove what has expired in one of the `shards`, and what a process that was killed left behind.

        Returns:
            The number of results removed.
        """
        if shard.name.startswith(REMOVED):
            shutil.rmtree(shard, ignore_errors=True)
            return 0
        removed = 0
        for folder in shard.iterdir():
            # A folder is as old as the last file that was put into it: one that is being written now is young.
            with contextlib.suppress(FileNotFoundError):
                if self._expired(folder.stat()):
                    self._remove(folder)
                    removed += 1
        return removed

    def _remove(self, folder: Path) -> None:
        """Take a result away in one step; whoever reads or writes it meanwhile finds all of it or nothing."""
        aside = self.folder / f"{REMOVED}{secrets.token_hex(8)}"
        with contextlib.suppress(FileNotFoundError):  # somebody else was quicker
            folder.rename(aside)
            shutil.rmtree(aside)

    def _expired(self, status: os.stat_result) -> bool:
        return bool(self.ttl_s) and time.time() - status.st_mtime > self.ttl_s

    def _path(self, result: str) -> Path:
        return self.folder / result[:2] / result


def _write(path: Path, content: bytes) -> None:
    descriptor, aside = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
