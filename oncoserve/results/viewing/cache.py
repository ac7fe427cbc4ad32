"""The pictures that are being looked at, decoded, in bounded memory that the processes share."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from typing import Final

from oncoserve.results.viewing.levels import Levels
from oncoserve.results.viewing.pyramid import Pyramid
from oncoserve.results.viewing.pyramid_files import PyramidFiles

IDLE_S: Final = 600.0
"""Seconds after which a picture that nobody asks for leaves the memory."""

AGAIN_S: Final = 0.02
"""Seconds between two looks at what another process makes."""


class PyramidCache:
    """Has each pyramid made once, however many callers and processes ask at the same time. Belongs to one event loop.

    Args:
        files: what is kept.
        idle_s: seconds that an unused pyramid stays.
    """

    def __init__(self, files: PyramidFiles, idle_s: float = IDLE_S) -> None:
        self.files = files
        self._idle_s = idle_s
        self._pruning: asyncio.TimerHandle | None = None
        self._making: dict[Hashable, asyncio.Future[Pyramid]] = {}
        self._waiting: Counter[asyncio.Future[Pyramid]] = Counter()

    async def get(self, key: Hashable, levels: Levels, make: Callable[[], Awaitable[Pyramid]]) -> Pyramid:
        """The pyramid of that key.

        Args:
            key: names it in all processes.
            levels: of the ORIGINAL.
            make: calls `PyramidFiles.make` with that key.
        """
        if (found := self.files.open(key, levels)) is None:
            found = await self._made(key, levels, make)
        self._prune_later(self._idle_s)
        return found

    def drop(self, key: Hashable) -> None:
        """Forget a pyramid, if it is kept."""
        self.files.drop(key)

    async def _made(self, key: Hashable, levels: Levels, make: Callable[[], Awaitable[Pyramid]]) -> Pyramid:
        """Whoever hangs up leaves the others their answer; when nobody is left, what has not begun is not done."""
        if key not in self._making:
            self._making[key] = asyncio.ensure_future(self._make(key, levels, make))
        making = self._making[key]
        self._waiting[making] += 1
        try:
            return await asyncio.shield(making)
        finally:
            self._waiting[making] -= 1
            if not self._waiting[making]:
                del self._waiting[making]
                making.cancel()

    async def _make(self, key: Hashable, levels: Levels, make: Callable[[], Awaitable[Pyramid]]) -> Pyramid:
        try:
            while True:
                with self.files.lock(key) as alone:
                    if (found := self.files.open(key, levels)) is not None:
                        return found
                    if alone:
                        return await make()
                await asyncio.sleep(AGAIN_S)
        finally:
            del self._making[key]

    def _prune_later(self, after_s: float) -> None:
        if self._pruning is None:
            self._pruning = asyncio.get_running_loop().call_later(after_s, self._prune)

    def _prune(self) -> None:
        self._pruning = None
        if (due_s := self.files.prune(self._idle_s)) is not None:
            self._prune_later(due_s)
