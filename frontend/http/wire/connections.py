"""How many connections a process holds, which of them gives way when there are more, and which readers are let go."""

import asyncio
import heapq
import resource
from collections.abc import Iterable
from typing import Any, Final, Protocol, TypeVar

import uvicorn

RESERVE: Final = 32  # connections above the limit, which are only told how the service is
HEALTH_PATHS: Final = frozenset({b"/livez", b"/readyz", b"/metrics"})
TO_ASK_S: Final = 0.1  # that a connection has to send its request before it gives way to another
MIN_BYTES_PER_S: Final = 8 * 1024  # of an answer, as of a body: a byte now and then is too slow
LOOKS: Final = 10  # at what a slow reader has taken, within the time in which it has to take something
FILES_PER_CONNECTION: Final = 2  # the socket, and the file that a large upload is kept in
OTHER_FILES: Final = 128  # libraries' own, the store's, the channel to Triton, the jobs' database


class WireConfig(uvicorn.Config):
    """uvicorn's configuration; `timeout_keep_alive` is told to callers, `limit_concurrency` counts connections.

    Args:
        app: the application, or what makes it.
        receive_timeout_s: that a head may take and that a caller may read nothing; the same for its first request.
        others: uvicorn's.
    """

    def __init__(self, app: Any, *, receive_timeout_s: float, **others: Any) -> None:  # noqa: ANN401 - as uvicorn has it
        super().__init__(app, **others)
        self.receive_timeout_s = receive_timeout_s


class Waiting(Protocol):
    """A connection that may be without a request."""

    @property
    def waiting_since(self) -> float | None:
        """When it last had a request under way, in seconds of the event loop's clock; None while it has one."""


Connection = TypeVar("Connection", bound=Waiting)


def longest_waiting(connections: Iterable[Connection], count: int, before: float) -> list[Connection]:
    """The connections that have been without a request for longest: idle, or their head is still arriving.

    Whoever holds connections open without asking anything gives way first, so that callers who ask are served.

    Args:
        connections: Those to choose from.
        count: How many at most.
        before: Those that wait since later than this are left out, as their request may have arrived already.
    """
    waiting = ((each.waiting_since, each) for each in connections)
    candidates = [(since, each) for since, each in waiting if since is not None and since <= before]
    return [each for _, each in heapq.nsmallest(count, candidates, key=lambda pair: pair[0])]


def fitting_limit(wanted: int) -> tuple[int, str]:
    """Raise this process's limit on open files as far as it may, and fit the limit on connections to it.

    Args:
        wanted: Connections that a process should hold, ONCO_MAX_CONNECTIONS.

    Returns:
        The connections that it can hold, and a warning in words where these are fewer; empty where they are not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    fitting = max(1, (hard - OTHER_FILES - RESERVE) // FILES_PER_CONNECTION)
    if hard == resource.RLIM_INFINITY or fitting >= wanted:
        return wanted, ""
    needed = FILES_PER_CONNECTION * wanted + OTHER_FILES + RESERVE
    return fitting, (
        f"ONCO_MAX_CONNECTIONS={wanted} needs {needed} open files and a process may have {hard} (ulimit -Hn), "
        f"so each process takes {fitting} connections. Raise the one or lower the other."
    )


class SlowReader:
    """Lets a caller go that does not take its answer, however large the answer is.

    The caller's credit, in seconds, falls as time passes and rises with each byte taken at MIN_BYTES_PER_S, to no more
    than it began with.

    Args:
        loop: The event loop.
        timeout_s: The credit at first: the longest time in which nothing is taken.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout_s: float) -> None:
        self._loop = loop
        self._timeout_s = timeout_s
        self._credit_s = timeout_s
        self._left_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, transport: asyncio.Transport) -> None:
        """Begin, unless it has begun or nothing is left to be taken."""
        self._left_bytes = transport.get_write_buffer_size()
        if self._timer is None and self._left_bytes:
            self._credit_s = self._timeout_s
            self._look_later(transport)

    def stop(self) -> None:
        """The caller has taken what there was, or has gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_later(self, transport: asyncio.Transport) -> None:
        self._timer = self._loop.call_later(self._timeout_s / LOOKS, self._look, transport)

    def _look(self, transport: asyncio.Transport) -> None:
        self._timer = None
        left_bytes = transport.get_write_buffer_size()
        taken_s = (self._left_bytes - left_bytes) / MIN_BYTES_PER_S
        # Counted by looks and not by the clock: while the whole service was suspended, nothing could be taken.
        self._credit_s = min(self._timeout_s, self._credit_s + taken_s) - self._timeout_s / LOOKS
        self._left_bytes = left_bytes
        if left_bytes and self._credit_s <= 0:
            transport.abort()
        elif left_bytes:
            self._look_later(transport)
