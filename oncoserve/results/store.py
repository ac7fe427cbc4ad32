"""Where results live: content-addressed, one file each, written aside and renamed."""

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, ParamSpec, TypeVar

from oncoserve.errors import ResultNotFound, StorageUnavailable
from oncoserve.results import archive, corrections
from oncoserve.results.archive import DOCUMENT, DamagedError
from oncoserve.results.damage import Damage
from oncoserve.runtime.disk import Disk, FileThreads
from oncoserve.runtime.files import sync, write_whole
from oncoserve.runtime.service_clock import Clock, ServiceClock

PICTURE = "picture"
SOURCE = "source.dcm"
"""What a DICOM file said beside its pixels, patient and all: for the files that refer to it, and never sent itself."""
VALUES = "values.png"
"""The numbers of a grey DICOM file, for a viewer; see `pictures.grey_values`."""
PSEUDONYMS = ".pseudonyms"
OWNERS = "keys"
RESULT_ID = re.compile(r"[0-9a-f]{32}")
USE_NOTED_S = 60.0
"""How exactly it is noted when a result was last read."""

P = ParamSpec("P")
T = TypeVar("T")


class ResultStore:
    """Results as files: `<folder>/<first two digits>/<id>.zip`, each with `result.json`, `picture` and what else.

    Those of a key's owner lie in `<folder>/keys/<name>/`, in the same way. One file a result, since to make a file or a
    folder costs more than to fill it: an archive without compression, which gets its name when it is whole, whenever
    the process is killed. What people add later lies beside it in `<id>.json`, and goes with it. A file's modification
    time is its birth by `clock`, its access time when it was last used; both are written here, so that how the file
    system is mounted does not matter. A file that is damaged counts as absent. All methods block and are called from
    threads, but for no longer than the disk's deadline.

    Args:
        folder: where the results go; made when it is missing.
        ttl_s: seconds after which a result is there no more, though its file may be until the next sweep; 0 is never.
        disk: that the folder is on.
        clock: tells how old a result is.
        damage: is told of files that are damaged.
    """

    def __init__(
        self,
        folder: Path,
        ttl_s: int = 0,
        disk: Disk | None = None,
        clock: Clock | None = None,
        damage: Damage | None = None,
    ) -> None:
        self.folder = folder
        self.ttl_s = ttl_s
        self.disk = disk or Disk(folder)
        self.clock = clock or ServiceClock(folder)
        self._damage = damage or Damage()

    def of(self, owner: str | None) -> "ResultStore":
        """The results of one owner; the same upload by two owners is two results, and neither learns of the other.

        Args:
            owner: a key's name; None where there are no keys.
        """
        if owner is None:
            return self
        return ResultStore(self.folder / OWNERS / owner, self.ttl_s, self.disk, self.clock, self._damage)

    def save(self, result: str, document: bytes, files: Mapping[str, bytes]) -> None:
        """Keep a result.

        Args:
            result: its id.
            document: the JSON document.
            files: everything else, by file name.

        Raises:
            StorageUnavailable: the folder cannot be written.
        """
        content = archive.pack({DOCUMENT: document, **files})
        born = _ns(self.clock.stamp())
        try:
            _ask(self.disk.writing, write_whole, self._path(result), content, times_ns=(born, born))
        except FileNotFoundError as error:  # where no folder can be made
            raise StorageUnavailable(error.strerror or "unknown reason") from error

    def sync(self, result: str) -> None:
        """Let a result survive a loss of power; for whoever deletes something that it was made of.

        Raises:
            ResultNotFound: it was deleted meanwhile.
            StorageUnavailable: the folder cannot be written.
        """
        try:
            _ask(self.disk.writing, sync, self._path(result))
        except FileNotFoundError as error:
            raise ResultNotFound(result) from error

    def find(self, result: str) -> bytes | None:
        """The JSON document of a result whose every file is whole, or None."""
        found = self._read(result, archive.checked_document)
        return None if found is None else found[DOCUMENT]

    def document(self, result: str) -> bytes:
        """The JSON document of a result.

        Raises:
            ResultNotFound: there is none.
            StorageUnavailable: the folder cannot be read.
        """
        found = self._read(result, archive.document)
        if found is None:
            raise ResultNotFound(result)
        return found[DOCUMENT]

    def files(self, result: str) -> dict[str, bytes]:
        """Everything but the document, by file name.

        Raises:
            ResultNotFound: there is no such result.
            StorageUnavailable: the folder cannot be read.
        """
        found = self._read(result, archive.everything)
        if found is None:
            raise ResultNotFound(result)
        del found[DOCUMENT]
        return found

    def size(self, result: str) -> int:
        """Bytes of all files of a result.

        Raises:
            ResultNotFound: there is no such result.
            StorageUnavailable: the folder cannot be read.
        """
        try:
            return self._path(result).stat().st_size
        except FileNotFoundError:
            raise ResultNotFound(result) from None
        except OSError as error:
            raise StorageUnavailable(error.strerror or "unknown reason") from error

    def delete(self, result: str) -> None:
        """Remove a result, a damaged one too.

        Raises:
            ResultNotFound: there is none.
            StorageUnavailable: the folder cannot be changed.
        """

        def remove() -> None:
            if not RESULT_ID.fullmatch(result) or self.expired(self._path(result).stat()):
                raise FileNotFoundError
            self._notes_path(result).unlink(missing_ok=True)
            self._path(result).unlink(missing_ok=True)

        try:
            _ask(self.disk.writing, remove)
        except FileNotFoundError as error:
            raise ResultNotFound(result) from error

    def notes(self, result: str) -> bytes | None:
        """What was added to a result, or None.

        Raises:
            StorageUnavailable: the folder cannot be read.
        """
        try:
            return _ask(self.disk.reading, self._read_notes, self._notes_path(result))
        except FileNotFoundError:
            return None

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

        def add() -> None:
            with _locked(path.parent):
                notes = self._notes_path(result)
                content = change(self._read_notes(notes) if notes.exists() else None)
                status = path.stat()
                times_ns = (status.st_atime_ns, status.st_mtime_ns)
                write_whole(notes, content, durable=True, times_ns=times_ns)

        try:
            _ask(self.disk.writing, add)
        except FileNotFoundError as error:
            raise ResultNotFound(result) from error

    def secret(self) -> bytes:
        """What the pseudonyms in its owner's deidentified files are keyed with: made when it is first asked for.

        Raises:
            StorageUnavailable: the folder cannot be read or written.
        """
        path = self.folder / PSEUDONYMS

        def read() -> bytes:
            if not path.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                with _locked(self.folder):
                    if not path.exists():
                        write_whole(path, secrets.token_bytes(32), durable=True, mode=0o600)
            return path.read_bytes()

        return _ask(self.disk.writing, read)

    def _read_notes(self, path: Path) -> bytes | None:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = None if self.expired(status) else file.read()
        if content is None or corrections.are_whole(content):
            return content
        self._damage.tell(path, status)
        return None

    def _read(self, result: str, take: Callable[[IO[bytes], str], dict[str, bytes]]) -> dict[str, bytes] | None:
        """What `take` reads of an archive; None where there is none, or none that is whole."""
        if not RESULT_ID.fullmatch(result):
            return None
        path = self._path(result)

        def read() -> dict[str, bytes] | None:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                if self.expired(status):
                    return None
                try:
                    found = take(file, result)
                except DamagedError:
                    self._damage.tell(path, status)
                    return None
            if self.clock.now() - status.st_atime > USE_NOTED_S:
                self.disk.writing.later(lambda: self._note_use(path))
            return found

        try:
            return _ask(self.disk.reading, read)
        except FileNotFoundError:
            return None

    def _note_use(self, path: Path) -> None:
        with contextlib.suppress(OSError), path.open("rb") as file:
            os.utime(file.fileno(), ns=(_ns(self.clock.now()), os.fstat(file.fileno()).st_mtime_ns))

    def expired(self, status: os.stat_result) -> bool:
        """Whether a file's result is there no more."""
        return bool(self.ttl_s) and self.clock.now() - status.st_mtime > self.ttl_s

    def _path(self, result: str) -> Path:
        return self.folder / result[:2] / f"{result}.zip"

    def _notes_path(self, result: str) -> Path:
        return self._path(result).with_suffix(".json")


def _ask(threads: FileThreads, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Have work done in threads for files; what the operating system refuses becomes an error of ours."""
    try:
        return threads.run(work, *args, **kwargs)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageUnavailable(error.strerror or "unknown reason") from error


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
