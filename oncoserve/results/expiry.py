"""When results are removed that have expired or are too many: by one process of all, with pauses."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Final, Protocol

from oncoserve.errors import JobsUnavailable, StorageUnavailable
from oncoserve.runtime.threads import CpuThreads

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 10.0, 60.0
PAUSE_PER_SWEEP: Final = 20  # so that sweeping a large store takes a twentieth of one thread at most
KEPT_S: Final = 600.0
"""How long a result is kept after it was made or used, whatever the room that it takes."""

LEFT_S: Final = 3600.0
"""For how long half a result has to be watched until whoever wrote it counts as dead."""

log = logging.getLogger(__name__)

InUse = Callable[[], Awaitable[Collection[str]]]
"""Ids of the results of jobs that have not ended."""


class Sweeper(Protocol):
    """Removes results from the place where they are kept."""

    @property
    def needed(self) -> bool:
        """Whether results are ever removed."""
        ...

    def take(self) -> bool:
        """Whether this process is the one that sweeps now; blocks.

        Raises:
            OSError, StorageUnavailable
        """
        ...

    async def sweep(self, threads: CpuThreads) -> None:
        """Remove what has expired, and of the rest the oldest unused until it fits.

        Raises:
            OSError, StorageUnavailable: the place cannot be read or changed.
            JobsUnavailable: the jobs cannot be asked.
        """
        ...

    def close(self) -> None:
        """Let another process sweep."""
        ...


@contextlib.asynccontextmanager
async def sweeping(sweeper: Sweeper) -> AsyncIterator[None]:
    """Sweep for the length of the block, if results are ever removed.

    Of several processes one sweeps; when it ends, another takes over.
    """
    if not sweeper.needed:
        yield
        return
    threads = CpuThreads(1)  # its own, since it may wait for the disk for ever
    with contextlib.closing(sweeper):
        task = asyncio.create_task(_sweep_for_ever(sweeper, threads))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _sweep_for_ever(sweeper: Sweeper, threads: CpuThreads) -> None:
    while True:
        began = time.monotonic()
        try:
            if await threads.run(sweeper.take):
                await sweeper.sweep(threads)
        except (StorageUnavailable, JobsUnavailable) as error:  # the next sweep may succeed
            log.warning("results could not be removed", extra={"reason": str(error.args[0])})
        except OSError:
            log.exception("results could not be removed")
        took_s = time.monotonic() - began
        await asyncio.sleep(max(SHORTEST_PAUSE_S, min(PAUSE_PER_SWEEP * took_s, LONGEST_PAUSE_S)))
