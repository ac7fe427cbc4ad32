"""How long the caller of one request waits."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from oncoserve.errors import DeadlineExceeded


class Deadline:
    """The end of a request's time, for everything that is done for it.

    Args:
        timeout_s: seconds from the request's arrival; infinite for a caller who named none.
        spent_s: seconds since the arrival.
    """

    def __init__(self, timeout_s: float = math.inf, spent_s: float = 0.0) -> None:
        self._timeout_s = timeout_s
        self._end_s = time.monotonic() + timeout_s - spent_s

    def remaining_s(self) -> float:
        """Seconds that are left, not below 0."""
        return max(0.0, self._end_s - time.monotonic())

    @asynccontextmanager
    async def enforce(self, model: str) -> AsyncIterator[None]:
        """Cancel the block at the end.

        Raises:
            DeadlineExceeded: it was cancelled.
        """
        if math.isinf(self._timeout_s):
            yield
            return
        try:
            async with asyncio.timeout(self.remaining_s()) as timer:
                yield
        except TimeoutError:
            if timer.expired():
                raise DeadlineExceeded(model, self._timeout_s) from None
            raise
