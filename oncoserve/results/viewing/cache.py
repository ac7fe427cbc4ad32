"""The pictures that are being looked at, decoded, in bounded memory."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final

from oncoserve.results.viewing.pyramid import Pyramid

IDLE_S: Final = 600.0
"""Seconds after which a picture that nobody asks for leaves the memory."""


class PyramidCache:
    """Keeps the pyramids used last. Belongs to one event loop.

    The newest is kept even when it alone is larger than the limit: each of its tiles would need it decoded again.

    Args:
        max_bytes: of all pyramids together.
        idle_s: seconds that an unused pyramid stays.
    """

    def __init__(self, max_bytes: int, idle_s: float = IDLE_S) -> None:
        self._max_bytes = max_bytes
        self._idle_s = idle_s
        self._kept: OrderedDict[Hashable, Pyramid] = OrderedDict()
        self._timers: dict[Hashable, asyncio.TimerHandle] = {}
        self._making: dict[Hashable, asyncio.Future[Pyramid]] = {}
        self._waiting: Counter[asyncio.Future[Pyramid]] = Counter()

    @property
    def nbytes(self) -> int:
        """What is kept, bytes."""
        return sum(each.nbytes for each in self._kept.values())

    async def get(self, key: Hashable, make: Callable[[], Awaitable[Pyramid]]) -> Pyramid:
        """The pyramid of that key, made once however many ask at the same time."""
        found = self._kept.get(key)
        if found is None:
            return await self._made(key, make)
        self._kept.move_to_end(key)
        self._wait_again(key)
        return found

    def drop(self, key: Hashable) -> None:
        """Forget a pyramid, if it is kept."""
        self._kept.pop(key, None)
        if timer := self._timers.pop(key, None):
            timer.cancel()

    async def _made(self, key: Hashable, make: Callable[[], Awaitable[Pyramid]]) -> Pyramid:
        """Whoever hangs up leaves the others their answer; when nobody is left, what has not begun is not done."""
        making = self._make(key, make)
        self._waiting[making] += 1
        try:
            return await asyncio.shield(making)
        finally:
            self._waiting[making] -= 1
            if not self._waiting[making]:
                del self._waiting[making]
                making.cancel()

    def _make(self, key: Hashable, make: Callable[[], Awaitable[Pyramid]]) -> "asyncio.Future[Pyramid]":
        if key not in self._making:

            async def work() -> Pyramid:
                try:
                    made = await make()
                finally:
                    del self._making[key]
                self._keep(key, made)
                return made

            self._making[key] = asyncio.ensure_future(work())
        return self._making[key]

    def _keep(self, key: Hashable, made: Pyramid) -> None:
        self._kept[key] = made
        self._wait_again(key)
        while self.nbytes > self._max_bytes and len(self._kept) > 1:
            self.drop(next(iter(self._kept)))

    def _wait_again(self, key: Hashable) -> None:
        if timer := self._timers.get(key):
            timer.cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(self._idle_s, self.drop, key)
