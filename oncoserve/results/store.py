"""Where results live: content-addressed, one file each, written aside and renamed."""

import contextlib
import fcntl
import hashlib
import io
import json
import os
import re
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from oncoserve.errors import ResultNotFound, StorageUnavailable
from oncoserve.runtime.files import write_whole

DOCUMENT = "result.json"
PICTURE = "picture"
OWNERS = "keys"
RESULT_ID = re.compile(r"[0-9a-f]{32}")


def result_id(
    image_sha256: str, model: str, version: str, model_sha256: str | None, parameters: Mapping[str, Any]
) -> str:
    """The name that the same question always gets: 32 hexadecimal digits."""
    question = [image_sha256, model, version, model_sha256, dict(parameters)]
    text = json.dumps(question, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class ResultStore:
    """Results as files: `<folder>/<first two digits>/<id>.zip`, each with `result.json`, `picture` and what else.

    Those of a key's owner lie in `<folder>/keys/<name>/`, in the same way. One file a result, since to make a file or a
    folder costs more than to fill it: an archive without compression, which gets its name when it is whole, whenever
    the process is killed. What people add later lies beside it in `<id>.json`, and goes with it. All methods block and
    are called from threads.

    Args:
        folder: where the results go; made when it is missing.
        ttl_s: seconds after which a result is there no more, though its file may be until the next sweep; 0 is never.
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
        content = _archive({DOCUMENT: document, **files})
        try:
            write_whole(self._path(result), content)
        except OSError as error:
            raise StorageUnavailable(error.strerror or "unknown reason") from error

    def find(self, result: str) -> bytes | None:
        """The JSON document of a result, or None."""
        found = self._read(result, only=DOCUMENT)
        return None if found is None else found[DOCUMENT]

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
        found = self._read(result)
        if found is None:
            raise ResultNotFound(result)
        del found[DOCUMENT]
        return found

    def delete(self, result: str) -> None:
        """Remove a result.

        Raises:
            ResultNotFound: there is none.
            StorageUnavailable: the folder cannot be changed.
        """
        self.document(result)
        try:
            self._notes_path(result).unlink(missing_ok=True)
            self._path(result).unlink(missing_ok=True)
        except OSError as error:
            raise StorageUnavailable(error.strerror or "unknown reason") from error

    def notes(self, result: str) -> bytes | None:
        """What was added to a result, or None.

        Raises:
            StorageUnavailable: the folder cannot be read.
        """
        try:
            with self._notes_path(result).open("rb") as file:
                return None if self._expired(os.fstat(file.fileno())) else file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailable(error.strerror or "unknown reason") from error

    def add_notes(self, result: str, change: Callable[[bytes | None], bytes]) -> None:
        """Add something to a result, which lives no longer for it.

        Args:
            result: its id.
            change: makes the new notes of the old ones; of several callers, in all processes, one at a time.

        Raises:
            ResultNotFound: there is no such result.
            StorageUnavailable: the folder cannot be written.
        """
        self.document(result)
        path = self._path(result)
        try:
            with _locked(path.parent):
                content = change(self.notes(result))
                status = path.stat()
                write_whole(self._notes_path(result), content, times_ns=(status.st_atime_ns, status.st_mtime_ns))
        except FileNotFoundError as error:
            raise ResultNotFound(result) from error
        except OSError as error:
            raise StorageUnavailable(error.strerror or "unknown reason") from error

    def shards(self) -> Iterator[Path]:
        """The folders that results of all owners lie in, for `sweep`."""
        for root in (self.folder, *self.folder.glob(f"{OWNERS}/*")):
            yield from root.glob("[0-9a-f][0-9a-f]")

    def sweep(self, shard: Path) -> int:
        """Remove what has expired in one of the `shards`, and what a process that was killed left behind.

        Returns:
            The number of files removed.
        """
        removed = 0
        for path in shard.iterdir():
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):  # somebody was quicker; nothing of ours
                if self._expired(path.stat()):
                    path.unlink()
                    removed += 1
        return removed

    def _read(self, result: str, only: str | None = None) -> dict[str, bytes] | None:
        if not RESULT_ID.fullmatch(result):
            return None
        try:
            with self._path(result).open("rb") as file:
                if self._expired(os.fstat(file.fileno())):
                    return None
                with zipfile.ZipFile(file) as archive:
                    return {name: archive.read(name) for name in archive.namelist() if only in {None, name}}
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailable(error.strerror or "unknown reason") from error
        except zipfile.BadZipFile as error:
            raise StorageUnavailable("a result's file is damaged") from error

    def _expired(self, status: os.stat_result) -> bool:
        return bool(self.ttl_s) and time.time() - status.st_mtime > self.ttl_s

    def _path(self, result: str) -> Path:
        return self.folder / result[:2] / f"{result}.zip"

    def _notes_path(self, result: str) -> Path:
        return self._path(result).with_suffix(".json")


def _archive(files: Mapping[str, bytes]) -> bytes:
    """A ZIP archive of `files`, in their order, without compression."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
