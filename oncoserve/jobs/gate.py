"""Lets a suspect be worked on alone, so that a process that dies of it takes no other image with it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Gate:
    """Held shared by many, or alone by one. Who wants to be alone comes first, so that it is not kept waiting."""

    def __init__(self) -> None:
        self._inside = 0
        self._alone = False
        self._wanting = 0
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Held together with others."""
        await self._until(lambda: not self._alone and not self._wanting)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            self._changed.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Held by nobody else."""
        self._wanting += 1
        try:
            await self._until(lambda: not self._alone and not self._inside)
        finally:
            self._wanting -= 1
            self._changed.set()
        self._alone = True
        try:
            yield
        finally:
            self._alone = False
            self._changed.set()

    async def _until(self, free: Callable[[], bool]) -> None:
        while not free():
            self._changed.clear()
            await self._changed.wait()
