"""What whoever takes on work has to know of the place that keeps what comes of it."""

import contextlib
from collections.abc import Iterator
from typing import Protocol

from oncoserve.errors import StorageUnavailable


class Storage(Protocol):
    """A disk, or a bucket elsewhere."""

    @property
    def error(self) -> StorageUnavailable | None:
        """Why new work is refused, as of the last look; None while it is not."""
        ...

    def check(self) -> None:
        """Refuse new work early, before anything is read or computed for it.

        Raises:
            StorageFull: there is less room than is to be kept free.
            StorageUnavailable: it does not answer.
        """
        ...

    def watched(self) -> contextlib.AbstractContextManager[None]:
        """Look at it again and again for the length of the block, in a thread of its own."""
        ...


class AllOf:
    """Several places that are all needed.

    Args:
        places: in the order in which they are asked.
    """

    def __init__(self, *places: Storage) -> None:
        self._places = places

    @property
    def error(self) -> StorageUnavailable | None:
        """See `Storage`: the first that there is."""
        return next((each.error for each in self._places if each.error is not None), None)

    def check(self) -> None:
        """See `Storage`."""
        for each in self._places:
            each.check()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """See `Storage`."""
        with contextlib.ExitStack() as stack:
            for each in self._places:
                stack.enter_context(each.watched())
            yield
