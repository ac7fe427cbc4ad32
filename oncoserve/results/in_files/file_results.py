"""Where results live: content-addressed, one file each, written aside and renamed."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, ParamSpec, TypeVar

from oncoserve.errors import ResultNotFound, StorageUnavailable
from oncoserve.results import archive, corrections
from oncoserve.results.archive import DOCUMENT, DamagedError
from oncoserve.results.damage import Damage
from oncoserve.results.result_store import OWNERS, RESULT_ID, Kept
from oncoserve.runtime.files import sync, write_whole
from oncoserve.runtime.service_clock import Clock, ServiceClock
from oncoserve.storage.disk import Disk, FileThreads

PSEUDONYMS = ".pseudonyms"
USE_NOTED_S = 60.0
"""How exactly it is noted when a result was last read."""

P = ParamSpec("P")
T = TypeVar("T")
Take = Callable[[IO[bytes], str], dict[str, bytes]]
Found = tuple[dict[str, bytes], int, bytes | None]


class FileResults:
    """The ResultStore of one machine: `<folder>/<first two digits>/<id>.zip`.

    Each has `result.json`, `picture` and what else. Those of a key's owner lie in `<folder>/keys/<name>/`, in the same
    way. One file a result, since to make a file or a folder costs more than to fill it: an archive without compression,
    which gets its name when it is whole, whenever the process is killed. What people add later lies beside it in
    `<id>.json`, and goes with it. A file's modification time is its birth by `clock`, its access time when it was last
    used; both are written here, so that how the file system is mounted does not matter. A file that is damaged counts
    as absent. No call takes longer than the disk's deadline.

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

    @property
    def storage(self) -> Disk:
        """See the port."""
        return self.disk

    @property
    def reading(self) -> FileThreads:
        """See the port."""
        return self.disk.reading

    @property
    def writing(self) -> FileThreads:
        """See the port."""
        return self.disk.writing

    def of(self, owner: str | None) -> "FileResults":
        """See the port."""
        if owner is None:
            return self
        return FileResults(self.folder / OWNERS / owner, self.ttl_s, self.disk, self.clock, self._damage)

    def owners(self) -> Sequence[str]:
        """See the port."""
        return sorted(each.name for each in (self.folder / OWNERS).glob("*") if each.is_dir())

    def ids(self) -> Iterator[str]:
        """See the port."""
        for each in self.folder.glob("[0-9a-f][0-9a-f]/*.zip"):
            with contextlib.suppress(FileNotFoundError):
                if RESULT_ID.fullmatch(each.stem) and not self.expired(each.stat()):
                    yield each.stem

    def save(self, result: str, document: bytes, files: Mapping[str, bytes]) -> None:
        """See the port."""
        content = archive.pack({DOCUMENT: document, **files})
        born = _ns(self.clock.stamp())
        try:
            _ask(self.disk.writing, write_whole, self._path(result), content, times_ns=(born, born))
        except FileNotFoundError as error:  # where no folder can be made
            raise StorageUnavailable(error.strerror or "unknown reason") from error

    def sync(self, result: str) -> None:
        """See the port."""

        def work() -> None:
            if not RESULT_ID.fullmatch(result) or self.expired(self._path(result).stat()):
                raise FileNotFoundError
            sync(self._path(result))

        try:
            _ask(self.disk.writing, work)
        except FileNotFoundError as error:
            raise ResultNotFound(result) from error

    def find(self, result: str) -> Kept | None:
        """See the port."""
        found = self._read(result, archive.checked_document)
        return None if found is None else Kept(found[0][DOCUMENT], found[1])

    def read(self, result: str) -> Kept:
        """See the port."""
        return _kept(self._there(result, archive.document))

    def files(self, result: str) -> dict[str, bytes]:
        """See the port."""
        found, *_ = self._there(result, archive.everything)
        del found[DOCUMENT]
        return found

    def delete(self, result: str) -> None:
        """See the port."""

        def remove() -> None:
            if not RESULT_ID.fullmatch(result) or self.expired(self._path(result).stat()):
                raise FileNotFoundError
            self._notes_path(result).unlink(missing_ok=True)
            self._path(result).unlink(missing_ok=True)

        try:
            _ask(self.disk.writing, remove)
        except FileNotFoundError as error:
            raise ResultNotFound(result) from error

    def add_notes(self, result: str, change: Callable[[bytes | None], bytes]) -> None:
        """See the port."""
        self._there(result, archive.document)
        path = self._path(result)

        def add() -> None:
            with _locked(path.parent):
                notes = self._notes_path(result)
                content = change(self._read_notes(notes))
                status = path.stat()
                times_ns = (status.st_atime_ns, status.st_mtime_ns)
                write_whole(notes, content, durable=True, times_ns=times_ns)

        try:
            _ask(self.disk.writing, add)
        except FileNotFoundError as error:
            raise ResultNotFound(result) from error

    def known_secret(self) -> bytes | None:
        """See the port."""
        try:
            return _ask(self.disk.reading, (self.folder / PSEUDONYMS).read_bytes)
        except FileNotFoundError:
            return None

    def adopt_secret(self, secret: bytes) -> bool:
        """See the port."""
        path = self.folder / PSEUDONYMS

        def adopt() -> bool:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _locked(self.folder):
                if not path.exists():
                    write_whole(path, secret, durable=True, mode=0o600)
            return path.read_bytes() == secret

        return _ask(self.disk.writing, adopt)

    def _read_notes(self, path: Path) -> bytes | None:
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                content = None if self.expired(status) else file.read()
        except FileNotFoundError:
            return None
        if content is None or corrections.are_whole(content):
            return content
        self._damage.tell(path.name, status.st_size, (path, status.st_ino, status.st_mtime_ns))
        return None

    def _there(self, result: str, take: Take) -> Found:
        found = self._read(result, take)
        if found is None:
            raise ResultNotFound(result)
        return found

    def _read(self, result: str, take: Take) -> Found | None:
        """What `take` reads of an archive, its size and its notes; None where there is none, or none that is whole."""
        if not RESULT_ID.fullmatch(result):
            return None
        path = self._path(result)

        def read() -> Found | None:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                if self.expired(status):
                    return None
                try:
                    found = take(file, result)
                except DamagedError:
                    self._damage.tell(path.name, status.st_size, (path, status.st_ino, status.st_mtime_ns))
                    return None
            if self.clock.now() - status.st_atime > USE_NOTED_S:
                self.disk.writing.later(lambda: self._note_use(path))
            return found, status.st_size, self._read_notes(self._notes_path(result))

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


def _kept(found: Found) -> Kept:
    read, size, notes = found
    return Kept(read[DOCUMENT], size, notes)


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
