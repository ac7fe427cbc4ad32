"""How many requests a caller may make: a token bucket each, kept as one number (the GCRA of ATM's traffic control)."""

import time
from collections import OrderedDict
from collections.abc import Callable

from frontend.errors import TooManyRequests

WINDOW_S = 60.0
MAX_CALLERS = 10_000  # addresses can be had by the thousand; the one unheard of for longest is forgotten


class RateLimit:
    """Buckets of this process, each as large as a minute's requests and filled evenly.

    Args:
        per_min: requests per minute of a caller that has no limit of its own; 0 is no limit.
        clock: seconds.
    """

    def __init__(self, per_min: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_min = per_min
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()  # by caller: when its bucket will be full again

    def take(self, caller: str, per_min: int | None = None) -> None:
        """Count one request.

        Args:
            caller: who asks.
            per_min: its own limit, 0 for none; None for that of all callers.

        Raises:
            TooManyRequests: the bucket is empty; the request is not counted.
        """
        limit = self._per_min if per_min is None else per_min
        if limit == 0:
            return
        now = self._clock()
        full_at = max(now, self._full_at.get(caller, now)) + WINDOW_S / limit
        wait_s = full_at - WINDOW_S - now
        if wait_s > 1e-6:  # noqa: PLR2004 - what rounding leaves over
            raise TooManyRequests(limit, wait_s)
        self._full_at[caller] = full_at
        self._full_at.move_to_end(caller)
        if len(self._full_at) > MAX_CALLERS:
            self._full_at.popitem(last=False)
