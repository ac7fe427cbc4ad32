"""Memory for what callers send and ask for: counted in bytes over all processes of the service, given out in order."""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from types import TracebackType
from typing import Final, Self

from oncoserve.errors import NoRoom
from oncoserve.runtime.sharing import Counts

SMALL_PART: Final = 8
"""One part in so many of a budget is for small things alone, so that large ones never keep them waiting."""
SMALL_THINGS: Final = 16
"""So many of the largest small things fit into their part."""
MAX_WAITING: Final = 64
"""Who may wait for a part at once, in each process."""

_LARGE, _SMALL = range(2)  # fields of the counts
_LOOK_AGAIN_S = 0.02  # while somebody waits: room is also made by threads and other processes, which tell nobody


class Budget:
    """Bytes that things of one kind may take, in all processes together. Belongs to one event loop and its threads.

    A thing that is larger than its part counts as the whole part, so it is taken when no other is there.

    Args:
        what: the things, in words.
        limit_bytes: of all of them.
        counts: where the processes tell each other what they hold, a number for large and one for small things.
        wait_s: longest wait for room.
    """

    def __init__(self, what: str, limit_bytes: int, counts: Counts, wait_s: float) -> None:
        small = limit_bytes // SMALL_PART
        self.wait_s = wait_s
        self.largest_small = small // SMALL_THINGS
        self.small = _Part(what, _SMALL, small, counts)
        self.large = _Part(what, _LARGE, limit_bytes - small, counts)

    def share(self) -> "Share":
        """For one thing; nothing is taken yet."""
        return Share(self)

    def used_bytes(self) -> int:
        """What is taken, in all processes."""
        return self.small.used_bytes() + self.large.used_bytes()


class Share:
    """What one thing takes. A context manager, at whose end it is given back: once no thread has it `in_use`.

    Args:
        budget: of which.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._part = budget.large
        self._held = self._users = 0
        self._closed = False
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def take(self, size: int) -> bool:
        """Take so many bytes in all if they are free and nobody waits for them. From any thread."""
        if not self._held:
            self._part = self._part_of(size)
        return not self._part.waiting and self._hold(size)

    async def wait(self, size: int, within_s: float = math.inf) -> None:
        """Take so many bytes in all as soon as they are free; who waited longer comes first. Holds nothing before.

        Raises:
            NoRoom: too many wait, or it took too long.
        """
        if self.take(size):
            return
        self._part = part = self._part_of(size)
        with part.waits(size):
            try:
                async with asyncio.timeout(min(within_s, self._budget.wait_s)), part.turn:
                    while not self._hold(size):  # noqa: ASYNC110 - nothing tells of room in other processes
                        await asyncio.sleep(_LOOK_AGAIN_S)
            except TimeoutError:
                raise part.full(size) from None

    def grow(self, size: int) -> None:
        """Have at least so many bytes in all, now: whoever holds something already must not wait for others.

        Raises:
            NoRoom: they are not free.
        """
        if size > self._held and not self._hold(size):
            raise self._part.full(size)

    def keep(self, size: int) -> None:
        """Have so many bytes in all: what is there already is counted, free or not."""
        with self._lock:
            self._change(size if not self._closed or self._users else 0)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Held by a thread around its work."""
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._closed and not self._users:
                    self._change(0)

    def close(self) -> None:
        """Give it back."""
        with self._lock:
            self._closed = True
            if not self._users:
                self._change(0)

    def _part_of(self, size: int) -> "_Part":
        return self._budget.small if size <= self._budget.largest_small else self._budget.large

    def _hold(self, size: int) -> bool:
        with self._lock:
            held = min(size, self._part.limit)
            if not self._part.take(held - self._held):
                return False
            self._held = held
        return True

    def _change(self, size: int) -> None:
        size = min(size, self._part.limit)
        self._part.add(size - self._held)
        self._held = size


class _Part:
    def __init__(self, what: str, field: int, limit: int, counts: Counts) -> None:
        self._what = what
        self._field = field
        self.limit = limit
        self._counts = counts
        self._lock = Lock()
        self.turn = asyncio.Lock()  # of whoever waited longest
        self.waiting = 0

    def used_bytes(self) -> int:
        return self._counts.total(self._field)

    def add(self, size: int) -> None:
        with self._lock:
            self._counts.add(self._field, size)

    def take(self, size: int) -> bool:
        with self._lock:
            # Counted first, so that two processes that look at the same time never both find the same room.
            self._counts.add(self._field, size)
            if self._counts.total(self._field) <= self.limit:
                return True
            self._counts.add(self._field, -size)
            return False

    @contextmanager
    def waits(self, size: int) -> Iterator[None]:
        if self.waiting >= MAX_WAITING:
            raise self.full(size)
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    def full(self, size: int) -> NoRoom:
        return NoRoom(self._what, size, self.used_bytes(), self.limit, self.waiting)
