"""Deals out the moments at which requests are due."""

import time

import gevent
from gevent.lock import Semaphore


class Pace:
    """A rate that as many callers keep together as come.

    The moments do not wait for answers: those that pass while every caller is busy are owed, and a caller that becomes
    free takes one at once. So the rate holds as long as there are enough callers, and slow answers do not lower it.

    Attributes:
        rate: Requests per second; 0 lets every caller send as soon as it is free. It may change while callers wait.
    """

    def __init__(self, rate: float = 0.0) -> None:
        self.rate = rate
        self._owed = Semaphore(0)
        self._dealer: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin to deal, from now on, with nothing owed from before."""
        if self._dealer is not None:
            self._dealer.kill()
            self._owed = Semaphore(0)
        self._dealer = gevent.spawn(self._deal)

    def wait(self) -> None:
        """Return when a request is due, and take its moment."""
        if self.rate:
            self._owed.acquire()

    def _deal(self) -> None:
        due_s = time.monotonic()
        while self.rate:
            self._owed.release()
            due_s += 1 / self.rate
            gevent.sleep(max(0.0, due_s - time.monotonic()))
