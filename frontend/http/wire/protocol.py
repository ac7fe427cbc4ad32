"""What one connection may take: its head's size and time, and the time in which answers have to be read.

uvicorn itself waits without end for a head that never ends, keeps whatever comes as a header, waits without end for a
caller that does not read, and takes every connection. Bodies are limited by `frontend.http.middleware.BodyLimit`.

When a connection comes above the limit, the one that has been without a request for longest is closed. Where all have
one under way, a few more are taken in reserve: they are told how the service is, so that no health check fails for want
of a connection, and are refused everything else.
"""

import asyncio
import logging
import uuid
from typing import Any

from starlette.responses import Response
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from frontend.http.wire.connections import HEALTH_PATHS, RESERVE, TO_ASK_S, SlowReader, longest_waiting
from frontend.http.problems import problem
from oncoserve.errors import HeadTooLarge, PlatformError, RequestTimeout, TooManyConnections

MAX_HEAD_BYTES = 32 * 1024  # request line and headers; nginx takes as much by default
SLICE_BYTES = 4 * 1024
READ_FIRST_S = 0.05

log = logging.getLogger("frontend.access")


class LimitedProtocol(HttpToolsProtocol):
    """One connection of HTTP/1.1.

    Args:
        config: uvicorn's; `timeout_keep_alive` is also the time that a head may take and that a caller may read
            nothing, in seconds, and `limit_concurrency` the number of connections that a process holds.
        others: uvicorn's.
    """

    def __init__(self, config: Config, **others: Any) -> None:  # noqa: ANN401 - passed on as they are
        super().__init__(config, **others)
        # uvicorn would refuse in plain text, without Retry-After, and only after a head has arrived.
        self._max_connections, self.limit_concurrency = self.limit_concurrency, None
        self._in_reserve = False
        self._head_bytes: int | None = None  # of the head that is arriving; None between heads
        self._head_deadline: asyncio.TimerHandle | None = None
        self._waiting_since: float | None = None
        self._reader = SlowReader(self.loop, self.timeout_keep_alive)

    @property
    def waiting_since(self) -> float | None:
        """See `longest_waiting`; a caller that still takes its answer waits for nothing."""
        return None if self.transport.get_write_buffer_size() else self._waiting_since

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Take the connection; above the limit another one gives way, or this one is in reserve, or it is refused."""
        super().connection_made(transport)
        self._wait_for_head()
        limit = self._max_connections
        if limit is None or len(self.connections) <= limit:
            return
        for other in self._longest_waiting(len(self.connections) - limit, since_s=TO_ASK_S):
            other.give_way(TooManyConnections(limit))
        self._in_reserve = len(self.connections) > limit
        for other in self._longest_waiting(len(self.connections) - limit - RESERVE, since_s=0):
            other.give_way(TooManyConnections(limit))
        if len(self.connections) > limit + RESERVE:
            self._refuse(TooManyConnections(limit))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._clear_head_deadline()
        self._reader.stop()
        super().connection_lost(exc)

    def give_way(self, error: PlatformError) -> None:
        """Close this connection, which has no request under way, for one that may have."""
        if self._head_bytes is None:
            self._close()  # nothing was asked, so nothing is answered
        else:
            self._refuse(error)
        self.connections.discard(self)  # at once: the transport tells of its end in the next turn of the loop

    def data_received(self, data: bytes) -> None:
        """Parse; in slices while a head is arriving, so that one large piece is counted like many small ones."""
        view = memoryview(data)
        while view and not self.transport.is_closing():
            size = len(view) if self._in_body() else SLICE_BYTES
            if self._head_bytes is not None:
                self._head_bytes += len(view[:size])
                if self._head_bytes > MAX_HEAD_BYTES:
                    self._refuse(HeadTooLarge(MAX_HEAD_BYTES))
                    return
            super().data_received(view[:size])  # type: ignore[arg-type] # httptools reads any buffer
            view = view[size:]

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._head_bytes = 0
        self._set_head_deadline()

    def on_headers_complete(self) -> None:
        """A head has arrived; from here on the application measures."""
        self._head_bytes = None
        self._clear_head_deadline()
        self._waiting_since = None
        limit, application = self._max_connections, self.app
        self._in_reserve = self._in_reserve and limit is not None and len(self.connections) > limit
        if self._in_reserve and limit is not None and self.url.partition(b"?")[0] not in HEALTH_PATHS:
            self.app = self._problem(TooManyConnections(limit))
        super().on_headers_complete()
        self.app = application

    def on_response_complete(self) -> None:
        """A request is answered: the rest of its body, and the next head, have to arrive in time."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._reader.watch(self.transport)
        elif not self._answering():  # otherwise the next request was there already
            self._wait_for_head()

    def timeout_keep_alive_handler(self) -> None:
        """Do nothing: `_head_is_late` knows, unlike uvicorn, whether an answer is still being read."""

    def pause_writing(self) -> None:
        """The caller reads more slowly than the answer is made; it has to read something in time."""
        super().pause_writing()
        self._reader.watch(self.transport)

    def resume_writing(self) -> None:
        """The caller has read."""
        if not self.transport.is_closing():  # the rest before the end has to be read too
            self._reader.stop()
        super().resume_writing()

    def _longest_waiting(self, count: int, since_s: float) -> "list[LimitedProtocol]":
        others = (each for each in self.connections if isinstance(each, LimitedProtocol) and each is not self)
        return longest_waiting(others, count, self.loop.time() - since_s) if count > 0 else []

    def _in_body(self) -> bool:
        return self._head_bytes is None and bool(self.cycle) and self.cycle.more_body

    def _answering(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete

    def _wait_for_head(self) -> None:
        # One in reserve has been answered what it can be answered.
        self._waiting_since = 0.0 if self._in_reserve else self.loop.time()
        self._set_head_deadline()

    def _set_head_deadline(self) -> None:
        self._clear_head_deadline()
        self._head_deadline = self.loop.call_later(self.timeout_keep_alive, self._read_first)

    def _clear_head_deadline(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _read_first(self) -> None:
        """Read what has arrived while the process could not run, such as in a suspended machine, before judging it."""
        self._head_deadline = self.loop.call_later(READ_FIRST_S, self._head_is_late)

    def _head_is_late(self) -> None:
        if self._answering():
            self.cycle.keep_alive = False  # the request before it still gets its answer
        elif self.transport.get_write_buffer_size():
            self._reader.watch(self.transport)
            self._set_head_deadline()  # the answer before it is still being read
        elif self._head_bytes is None:
            self._close()  # there was no request
        else:
            self._refuse(RequestTimeout(self.timeout_keep_alive))

    def _refuse(self, error: PlatformError) -> None:
        if not self._answering():
            answer = self._problem(error)
            answer.headers["Connection"] = "close"
            head = b"".join(b"%s: %s\r\n" % header for header in answer.raw_headers)
            self.transport.write(STATUS_LINE[error.status] + head + b"\r\n" + bytes(answer.body))
        self._close()

    def _problem(self, error: PlatformError) -> Response:
        request_id = uuid.uuid4().hex
        answer = problem(error, request_id)
        answer.headers["X-Request-ID"] = request_id
        log.info("refused", extra={"request_id": request_id, "status": error.status, "code": error.code})
        return answer

    def _close(self) -> None:
        self.transport.close()
        self._reader.watch(self.transport)
