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

from httptools import HttpParserError, HttpParserUpgrade
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from frontend.http.links import ROOT
from frontend.http.middleware import REFUSED
from frontend.http.problems import problem
from frontend.http.wire.connections import HEALTH_PATHS, RESERVE, TO_ASK_S, SlowReader, WireConfig, longest_waiting
from frontend.http.wire.ending import DRAIN_S, AnswerTransport, end_writing, something_waits
from frontend.http.wire.offers import VERSIONS, head_without_offer, new_parser, unreadable
from oncoserve.errors import (
    HeadTooLarge,
    HttpVersionNotSupported,
    PlatformError,
    RequestTimeout,
    TooManyConnections,
)

MAX_HEAD_BYTES = 32 * 1024  # request line and headers; nginx takes as much by default
SLICE_BYTES = 4 * 1024
READ_FIRST_S = 0.05
ON_ITS_WAY_S = 2.0  # a request that a caller sent within the time that it was told may take as long to get here
CONNECT = b"CONNECT"  # asks for a tunnel: what follows is not HTTP, whatever it is answered

log = logging.getLogger("frontend.access")


class LimitedProtocol(HttpToolsProtocol):
    """One connection of HTTP/1.1.

    Args:
        config: see there.
        others: uvicorn's.
    """

    def __init__(self, config: WireConfig, **others: Any) -> None:  # noqa: ANN401 - passed on as they are
        super().__init__(config, **others)
        # uvicorn would refuse in plain text, without Retry-After, and only after a head has arrived.
        self._max_connections, self.limit_concurrency = self.limit_concurrency, None
        self._in_reserve = False
        self._deaf = False  # what comes from now on is no request
        self._read_until: float | None = None  # set once nothing more is sent: what still comes is forgotten
        self._receive_timeout_s = config.receive_timeout_s
        told = (b"keep-alive", b"timeout=%d" % self.timeout_keep_alive)
        self._headers_of_kept = [*self.server_state.default_headers, told]
        self._head_bytes: int | None = None  # of the head that is arriving; None between heads
        self._head_deadline: asyncio.TimerHandle | None = None
        self._waiting_since: float | None = None
        self._reader = SlowReader(self.loop, self._receive_timeout_s)

    @property
    def waiting_since(self) -> float | None:
        """See `longest_waiting`; a caller that still takes its answer waits for nothing."""
        return None if self.transport.get_write_buffer_size() else self._waiting_since

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Take the connection; above the limit another one gives way, or this one is in reserve, or it is refused."""
        super().connection_made(transport)
        self._wait_for_head(self._receive_timeout_s)
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
        self._unset_keepalive_if_required()
        if self._read_until is not None:
            self._read_on(self._read_until)
        view = memoryview(data)
        while view and not self._deaf and not self.transport.is_closing():
            size = len(view) if self._in_body() else SLICE_BYTES
            if self._head_bytes is not None:
                self._head_bytes += len(view[:size])
                if self._head_bytes > MAX_HEAD_BYTES:
                    self._refuse(HeadTooLarge(MAX_HEAD_BYTES))
                    return
            self._parse(view[:size])
            view = view[size:]

    def _parse(self, data: memoryview) -> None:
        pieces = [data]
        while pieces and not self._deaf:
            piece = pieces.pop()
            try:
                self.parser.feed_data(piece)
            except HttpParserUpgrade as end_of_head:
                (taken,) = end_of_head.args
                self._deaf = self.parser.get_method() == CONNECT
                pieces += [piece[taken:], memoryview(self._head_without_offer())]
                self.parser = new_parser(self)  # the old one may have been told that this request is the last
            except HttpParserError as error:
                ours = error.__context__  # raised in a function that the parser calls
                self._refuse(ours if isinstance(ours, PlatformError) else self._unreadable(piece))

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._head_bytes = 0
        self._set_head_deadline(self._receive_timeout_s)

    def on_headers_complete(self) -> None:
        """A head has arrived; from here on the application measures."""
        if self._offers():
            return
        version, tunnel = self.parser.get_http_version(), self.parser.get_method() == CONNECT
        if version not in VERSIONS:
            raise HttpVersionNotSupported(version)
        if tunnel and not self.url.startswith(b"/"):
            self.url = b"*"  # the address of another server: nothing of ours
        self._head_bytes = None
        self._clear_head_deadline()
        self._waiting_since = None
        limit = self._max_connections
        self._in_reserve = self._in_reserve and limit is not None and len(self.connections) > limit
        if self._in_reserve and limit is not None and self.url.partition(b"?")[0] not in HEALTH_PATHS:
            self.scope["state"][REFUSED] = TooManyConnections(limit)
        super().on_headers_complete()
        self.cycle.transport = AnswerTransport(self.transport, self._end_answers)  # type: ignore[assignment]
        self.cycle.keep_alive = self.cycle.keep_alive and not tunnel
        if self.cycle.keep_alive:
            self.cycle.default_headers = self._headers_of_kept

    def on_message_complete(self) -> None:
        """All of a request has arrived."""
        if not self._offers():
            super().on_message_complete()
            self.cycle.keep_alive = self.cycle.keep_alive and self.parser.should_keep_alive()  # a trailer may say so

    def on_response_complete(self) -> None:
        """A request is answered: the rest of its body, and the next head, have to arrive in time."""
        if self._read_until is not None:
            return
        super().on_response_complete()
        if self.transport.is_closing():
            self._reader.watch(self.transport)
        elif not self._answering():  # otherwise the next request was there already
            self._wait_for_head(self._receive_timeout_s if self._in_body() else self.timeout_keep_alive + ON_ITS_WAY_S)

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

    def _offers(self) -> bool:
        """Whether the head that has come offers another protocol: it comes again without the offer."""
        return bool(self.parser.should_upgrade()) and self.parser.get_method() != CONNECT

    def _head_without_offer(self) -> bytes:
        parser = self.parser
        return head_without_offer(parser.get_method(), self.url, parser.get_http_version(), self.headers)

    def _unreadable(self, piece: memoryview) -> PlatformError:
        first = 0 if bool(self.cycle) else piece[0]
        return unreadable(first, self.parser.get_method(), self.parser.get_http_version())

    def _in_body(self) -> bool:
        return self._head_bytes is None and bool(self.cycle) and self.cycle.more_body

    def _answering(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete

    def _wait_for_head(self, timeout_s: float) -> None:
        # One in reserve has been answered what it can be answered.
        self._waiting_since = 0.0 if self._in_reserve else self.loop.time()
        self._set_head_deadline(timeout_s)

    def _set_head_deadline(self, timeout_s: float) -> None:
        self._clear_head_deadline()
        self._head_deadline = self.loop.call_later(timeout_s, self._read_first)

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
            self._set_head_deadline(self._receive_timeout_s)  # the answer before it is still being read
        elif self._head_bytes is not None:
            self._refuse(RequestTimeout(self._receive_timeout_s))
        elif something_waits(self.transport):
            self._read_first()  # a request has just come
        else:
            self._end()  # there was no request

    def _refuse(self, error: PlatformError) -> None:
        """Answer what cannot be read as a request, after those before it."""
        self._deaf = True
        if not self._in_body():
            if self._answering():
                self.cycle.keep_alive = False
            else:
                self._say(error)
        elif self.pipeline:  # its body is broken, and others are answered before it
            self.cycle.keep_alive = False
            self.pipeline[0] = (self.cycle, self._problem(error))  # type: ignore[assignment] # an ASGI application
        else:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if not self.cycle.response_started:
                self._say(error)
            else:
                self._end()

    def _say(self, error: PlatformError) -> None:
        answer = self._problem(error)
        answer.headers["Connection"] = "close"
        head = b"".join(b"%s: %s\r\n" % header for header in answer.raw_headers)
        self.transport.write(STATUS_LINE[error.status] + head + b"\r\n" + bytes(answer.body))
        self._end()

    def _problem(self, error: PlatformError) -> Response:
        request_id = uuid.uuid4().hex
        answer = problem(error, request_id, self.app_state.get(ROOT, ""))
        answer.headers["X-Request-ID"] = request_id
        log.info("refused", extra={"request_id": request_id, "status": error.status, "code": error.code})
        return answer

    def _end_answers(self) -> None:
        """The last request is answered; it may have been without all of its body, such as one that is too large."""
        if self._in_body() and self._read_until is None:
            self._end()
        elif self._read_until is None:
            self.transport.close()

    def _end(self) -> None:
        """Send nothing more, and read nothing as a request; a caller that still sends sees the end, and no reset."""
        self._deaf, self._waiting_since = True, 0.0
        self.flow.resume_reading()
        end_writing(self.transport)
        self._reader.watch(self.transport)
        self._read_until = self.loop.time() + self._receive_timeout_s
        self._read_on(self._read_until)

    def _read_on(self, until: float) -> None:
        self._clear_head_deadline()
        self._head_deadline = self.loop.call_later(min(DRAIN_S, until - self.loop.time()), self._close)

    def _close(self) -> None:
        self.transport.close()
        self._reader.watch(self.transport)
