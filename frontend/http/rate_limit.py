"""How many requests a caller may make: a token bucket for each, kept as one number (GCRA, from ATM traffic control)."""

import fcntl
import hashlib
import mmap
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from oncoserve.errors import TooManyRequests
from oncoserve.runtime.sharing import map_file

WINDOW_S = 60.0
MAX_CALLERS = 2**14  # a caller can have thousands of addresses
PLACES = 8  # of the table, where a caller's bucket may be
BUCKET = struct.Struct("=8sd")  # who, by a hash, and when the bucket will be full again


class RateLimit:
    """Buckets as large as a minute's requests, filled evenly, in a table that the processes of one service share.

    Args:
        per_min: requests per minute of a caller that has no limit of its own; 0 is no limit.
        folder: of the processes that share; None for a process that is alone.
        clock: seconds, the same in all processes.
    """

    def __init__(self, per_min: int, folder: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_min = per_min
        self._clock = clock
        size = MAX_CALLERS * BUCKET.size
        self._file = -1  # none
        if folder is None:
            self._table = mmap.mmap(-1, size)
        else:
            self._table = map_file(folder / "rates", size)
            self._file = os.open(folder / "rates", os.O_RDWR | os.O_CLOEXEC)  # to be locked

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
        name = hashlib.blake2b(caller.encode(), digest_size=8).digest()
        with self._alone():
            now = self._clock()
            place, full_at = self._find(name)
            full_at = max(now, full_at) + WINDOW_S / limit
            wait_s = full_at - WINDOW_S - now
            if wait_s > 1e-6:  # noqa: PLR2004 - rounding errors
                raise TooManyRequests(limit, wait_s)
            BUCKET.pack_into(self._table, place, name, full_at)

    def _find(self, name: bytes) -> tuple[int, float]:
        """Where in the table a bucket is or has to go, in bytes, and when it will be full.

        A new one takes the place of the one that will be full first: a full bucket says as much as none.
        """
        first = int.from_bytes(name) % MAX_CALLERS
        buckets = {
            place: BUCKET.unpack_from(self._table, place)
            for place in ((first + step) % MAX_CALLERS * BUCKET.size for step in range(PLACES))
        }
        for place, (whose, full_at) in buckets.items():
            if whose == name:
                return place, full_at
        return min(buckets, key=lambda place: buckets[place][1]), 0.0

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._file < 0:
            yield
            return
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
