"""What one connection may take: its head's size and time, and the time in which answers have to be read.

uvicorn itself waits without end for a head that never ends, keeps whatever comes as a header, waits without end for a
caller that does not read, and takes every connection. Bodies are limited by `frontend.http.middleware.BodyLimit`.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from frontend.http.problems import problem
from oncoserve.errors import HeadTooLarge, PlatformError, RequestTimeout, TooManyConnections

MAX_HEAD_BYTES = 32 * 1024  # request line and headers; nginx takes as much by default
SLICE_BYTES = 4 * 1024

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
        self._head_bytes: int | None = None  # of the head that is arriving; None between heads
        self._deadlines: dict[str, asyncio.TimerHandle] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Take the connection, or refuse it."""
        super().connection_made(transport)
        self._set_deadline("head", self._head_is_late)
        if self._max_connections is not None and len(self.connections) > self._max_connections:
            self._refuse(TooManyConnections(self._max_connections))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        for what in [*self._deadlines]:
            self._clear_deadline(what)
        super().connection_lost(exc)

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
        self._set_deadline("head", self._head_is_late)

    def on_headers_complete(self) -> None:
        """A head has arrived; from here on the application measures."""
        self._head_bytes = None
        self._clear_deadline("head")
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """A request is answered: the rest of its body, and the next head, have to arrive in time."""
        super().on_response_complete()
        if not self._answering():  # otherwise the next request was there already
            self._set_deadline("head", self._head_is_late)

    def pause_writing(self) -> None:
        """The caller reads more slowly than the answer is made; it has to read something in time."""
        super().pause_writing()
        self._set_deadline("reading", self.transport.abort)

    def resume_writing(self) -> None:
        """The caller has read."""
        self._clear_deadline("reading")
        super().resume_writing()

    def _in_body(self) -> bool:
        return self._head_bytes is None and bool(self.cycle) and self.cycle.more_body

    def _answering(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete

    def _set_deadline(self, what: str, then: Callable[[], None]) -> None:
        self._clear_deadline(what)
        self._deadlines[what] = self.loop.call_later(self.timeout_keep_alive, then)

    def _clear_deadline(self, what: str) -> None:
        if what in self._deadlines:
            self._deadlines.pop(what).cancel()

    def _head_is_late(self) -> None:
        if self._answering():
            self.cycle.keep_alive = False  # the request before it still gets its answer
        elif self._head_bytes is None:
            self.transport.close()  # there was no request
        else:
            self._refuse(RequestTimeout(self.timeout_keep_alive))

    def _refuse(self, error: PlatformError) -> None:
        if not self._answering():
            request_id = uuid.uuid4().hex
            answer = problem(error, request_id)
            answer.headers.update({"X-Request-ID": request_id, "Connection": "close"})
            head = b"".join(b"%s: %s\r\n" % header for header in answer.raw_headers)
            self.transport.write(STATUS_LINE[error.status] + head + b"\r\n" + bytes(answer.body))
            log.info("refused", extra={"request_id": request_id, "status": error.status, "code": error.code})
        self.transport.close()
