"""Waiting for a queue or a store that does not answer, for as long as it takes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from oncoserve.errors import JobsUnavailable

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0

T = TypeVar("T")

log = logging.getLogger(__name__)


class Patience:
    """Tries again until it works, and says once that it does not and once that it does again."""

    def __init__(self) -> None:
        self._down = False

    async def insist(self, call: Callable[[], Awaitable[T]]) -> T:
        """The answer of `call`, which may raise JobsUnavailable any number of times before."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                answer = await call()
            except JobsUnavailable as error:
                if not self._down:
                    log.warning("jobs wait for their storage", extra={"reason": error.detail})
                self._down = True
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                if self._down:
                    log.info("the storage of jobs answers again")
                self._down = False
                return answer
