"""What results need from outside: a place that keeps them. `in_files/` and `in_bucket/` are such places."""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from oncoserve.errors import StorageUnavailable
from oncoserve.results.expiry import InUse, Sweeper
from oncoserve.storage.disk import FileThreads
from oncoserve.storage.storage import Storage

PICTURE: Final = "picture"
SOURCE: Final = "source.dcm"
"""What a DICOM file said beside its pixels, patient and all: for the files that refer to it, and never sent itself."""
VALUES: Final = "values.png"
"""The numbers of a grey DICOM file, for a viewer; see `pictures.grey_values`."""
OWNERS: Final = "keys"
"""The folder that has one for each owner."""
RESULT_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Kept:
    """A result without the files that its document is about.

    Attributes:
        document: its JSON document.
        file_bytes: of everything that is kept of it.
        notes: what was added to it later; None of what `find` finds, which does not look.
    """

    document: bytes
    file_bytes: int
    notes: bytes | None = None


class ResultStore(Protocol):
    """Results by id. A result that has expired, or is damaged, is not there. All methods block; threads call them."""

    @property
    def storage(self) -> Storage:
        """How the place is."""
        ...

    @property
    def reading(self) -> FileThreads:
        """Where a coroutine has it read: `await store.reading.ask(store.find, id)`."""
        ...

    @property
    def writing(self) -> FileThreads:
        """Where a coroutine has it written, in the same way."""
        ...

    def of(self, owner: str | None) -> "ResultStore":
        """The results of one owner; the same upload by two owners is two results, and neither learns of the other.

        Args:
            owner: a key's name; None where there are no keys.
        """
        ...

    def owners(self) -> Sequence[str]:
        """Whoever has results.

        Raises:
            StorageUnavailable
        """
        ...

    def ids(self) -> Iterator[str]:
        """Of the results that are kept, of this owner.

        Raises:
            StorageUnavailable
        """
        ...

    def save(self, result: str, document: bytes, files: Mapping[str, bytes]) -> None:
        """Keep a result.

        Args:
            result: its id.
            document: the JSON document.
            files: everything else, by file name.

        Raises:
            StorageUnavailable: it cannot be kept.
        """
        ...

    def sync(self, result: str) -> None:
        """Let a result survive a loss of power; for whoever deletes something that it was made of.

        Raises:
            ResultNotFound: it was deleted meanwhile.
            StorageUnavailable
        """
        ...

    def find(self, result: str) -> Kept | None:
        """A result whose every file is whole, or None.

        Raises:
            StorageUnavailable
        """
        ...

    def read(self, result: str) -> Kept:
        """A result.

        Raises:
            ResultNotFound, StorageUnavailable
        """
        ...

    def files(self, result: str) -> dict[str, bytes]:
        """Everything but the document, by file name.

        Raises:
            ResultNotFound, StorageUnavailable
        """
        ...

    def add_notes(self, result: str, change: Callable[[bytes | None], bytes]) -> None:
        """Add something to a result, which lives no longer for it.

        Args:
            result: its id.
            change: makes the new notes of the old ones; of several callers, in all processes, one at a time.

        Raises:
            ResultNotFound, StorageUnavailable
        """
        ...

    def delete(self, result: str) -> None:
        """Remove a result, a damaged one too.

        Raises:
            ResultNotFound, StorageUnavailable
        """
        ...

    def known_secret(self) -> bytes | None:
        """What the pseudonyms in its owner's deidentified files are keyed with, if it was made; see `secret_of`.

        Raises:
            StorageUnavailable
        """
        ...

    def adopt_secret(self, secret: bytes) -> bool:
        """Take another store's for one's own; whether there was none, or the same.

        Raises:
            StorageUnavailable
        """
        ...


@dataclass(frozen=True)
class Keeping:
    """A place for results, and what removes them from it.

    Attributes:
        store: the results.
        sweeper: makes it, for the jobs that results are in use by.
    """

    store: ResultStore
    sweeper: Callable[[InUse], Sweeper]


def secret_of(results: ResultStore) -> bytes:
    """What the pseudonyms in an owner's deidentified files are keyed with: made when it is first asked for.

    Args:
        results: of the owner.

    Raises:
        StorageUnavailable
    """
    found = results.known_secret()
    if found is None:
        results.adopt_secret(secrets.token_bytes(32))  # or another's was there first
        found = results.known_secret()
    if found is None:
        raise StorageUnavailable("what was written is not there")
    return found
