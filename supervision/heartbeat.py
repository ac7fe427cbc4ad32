"""A sign of life: a number that a process counts up, in memory that it shares with whoever watches it."""

import asyncio
import contextlib
import mmap
import os
from collections.abc import AsyncIterator, Mapping
from typing import Self

VARIABLE = "ONCOSERVE_HEARTBEAT"
"""The environment variable through which a child learns its heartbeat's descriptor."""

BEAT_S = 1.0
_NUMBER_BYTES = 8


class Heartbeat:
    """The number, behind a descriptor of anonymous memory: no file, so none is left behind, and no disk can be full.

    Args:
        descriptor: Of the memory; `create` makes a new one, `from_environment` finds the parent's.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._number = memoryview(mmap.mmap(descriptor, _NUMBER_BYTES)).cast("q")

    @classmethod
    def create(cls) -> Self:
        """A new one, to be passed to children (`Child`'s pass_fds) together with `environment`.

        Raises:
            OSError: There is no descriptor left.
        """
        descriptor = os.memfd_create("heartbeat")
        os.write(descriptor, bytes(_NUMBER_BYTES))
        return cls(descriptor)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self | None:
        """That of this process; None where nobody watches."""
        number = environ.get(VARIABLE)
        return None if number is None else cls(int(number))

    @property
    def environment(self) -> dict[str, str]:
        """What tells a child where it is."""
        return {VARIABLE: str(self.descriptor)}

    @property
    def count(self) -> int:
        """How often it has beaten."""
        return self._number[0]

    def beat(self) -> None:
        """Give a sign of life."""
        self._number[0] += 1

    @contextlib.asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Beat for the length of the block, for as long as the event loop turns."""

        async def beat() -> None:
            while True:
                self.beat()
                await asyncio.sleep(BEAT_S)

        task = asyncio.create_task(beat())
        try:
            yield
        finally:
            task.cancel()
