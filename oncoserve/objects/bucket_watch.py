"""Whether a bucket answers, and what time it is there."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from typing import Final

from oncoserve.errors import StorageUnavailable
from oncoserve.objects.bucket import Bucket
from oncoserve.storage.disk import LOOK_S, FileThreads

CLOCK: Final = ".clock/now"
"""The object that tells the store's time by when it was written; whoever asks for the time writes it."""

NOTHING: Final = ".nothing"
CLOCK_S: Final = 60.0
SKEW_TOLD_S: Final = 60.0  # S3 itself refuses requests of a clock that differs by a quarter of an hour
CALLS: Final = 16
"""Requests that one process has under way at once, to read and to write."""

log = logging.getLogger(__name__)


class BucketWatch:
    """A bucket, and how it is: the Storage of results that are kept there.

    Ages are counted by the store's own clock, which says when an object was written: whatever the clocks of the
    machines that ask show, all of them find the same results expired.

    Args:
        bucket: what is watched.
        timeout_s: seconds after which a bucket that does not answer counts as away.
    """

    def __init__(self, bucket: Bucket, timeout_s: float) -> None:
        self.bucket = bucket
        self.threads = FileThreads(timeout_s, CALLS, "object store")
        self._timeout_s = timeout_s
        self._error: StorageUnavailable | None = None
        self._looking_since: float | None = None
        self._told = ""
        self._read: tuple[float, float] | None = None  # the store's time, and ours that cannot be set
        self._stop = threading.Event()

    @property
    def error(self) -> StorageUnavailable | None:
        """See `Storage`."""
        since = self._looking_since
        if since is not None and (waiting_s := time.monotonic() - since) > self._timeout_s:
            return StorageUnavailable(f"the object store has not answered for {waiting_s:.0f} s")
        return self._error

    def check(self) -> None:
        """See `Storage`."""
        if (error := self.error) is not None:
            raise error

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """See `Storage`."""
        threading.Thread(target=self._watch, name="bucket", daemon=True).start()
        try:
            yield
        finally:
            self._stop.set()

    def now(self) -> float:
        """The store's time, seconds since 1970, to a second.

        Raises:
            StorageUnavailable: it was never read, and the store does not answer.
        """
        if self._read is None:
            self.read_clock()
        store_s, own_s = self._read or (time.time(), time.monotonic())
        return store_s + time.monotonic() - own_s

    def read_clock(self) -> None:
        """Ask for the store's time: which is when it says that it wrote an object just now.

        Raises:
            StorageUnavailable
        """
        began = time.monotonic()
        self.bucket.put(CLOCK, b"")
        found = self.bucket.stat(CLOCK)
        if found is None:
            raise StorageUnavailable("the object store: it does not have what it took")
        self._read = found.changed, (began + time.monotonic()) / 2
        skew_s = time.time() - self.now()
        if abs(skew_s) > SKEW_TOLD_S:
            log.warning("the clock of this machine is not the object store's", extra={"ahead_s": round(skew_s)})

    def _watch(self) -> None:
        next_clock_s = 0.0
        while True:
            self._looking_since = time.monotonic()
            try:
                next(self.bucket.list(NOTHING), None)  # which says more of what is wrong than other questions do
                if time.monotonic() >= next_clock_s:
                    self.read_clock()
                    next_clock_s = time.monotonic() + CLOCK_S
                self._error = None
            except StorageUnavailable as error:
                self._error = error
            self._looking_since = None
            self._tell()
            if self._stop.wait(LOOK_S):
                return

    def _tell(self) -> None:
        said = "" if self._error is None else str(self._error.args[0])
        if said and said != self._told:
            log.error("new work is refused", extra={"reason": said})
        elif self._told and not said:
            log.info("the object store answers again")
        self._told = said
