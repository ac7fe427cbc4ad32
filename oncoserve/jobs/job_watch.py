"""Whether the storage of jobs answers, for whoever must not wait for it to find out."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Final

from oncoserve.errors import JobsUnavailable
from oncoserve.jobs.service import Jobs

LOOK_S: Final = 1.0
"""Seconds between two questions."""

log = logging.getLogger(__name__)


class JobWatch:
    """Asks a storage of jobs that is elsewhere again and again. One on our own disk is watched as the disk is.

    Args:
        jobs: that are asked; None where there is nothing to watch.

    Attributes:
        trouble: why jobs are refused, as of the last question; empty while they are not.
    """

    def __init__(self, jobs: Jobs | None) -> None:
        self._jobs = jobs
        self.trouble = ""

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Ask for the length of the block."""
        if self._jobs is None:
            yield
            return
        asking = asyncio.create_task(self._ask(self._jobs))
        try:
            yield
        finally:
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking

    async def _ask(self, jobs: Jobs) -> None:
        while True:
            trouble = ""
            try:
                await jobs.look()
            except JobsUnavailable as error:
                trouble = str(error.args[0])
            if trouble and trouble != self.trouble:
                log.error("jobs are refused", extra={"reason": trouble})
            elif self.trouble and not trouble:
                log.info("the storage of jobs answers again")
            self.trouble = trouble
            await asyncio.sleep(LOOK_S)
