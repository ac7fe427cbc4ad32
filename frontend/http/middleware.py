"""What happens to every request, whichever its route. Pure ASGI: no copies of bodies, no extra tasks."""

import asyncio
import logging
import re
import time
import uuid
from functools import cache

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frontend.http.links import root_of
from frontend.http.problems import problem, translate
from oncoserve.errors import InternalError, MalformedRequest, RequestTimeout, UploadTooLarge
from oncoserve.runtime.budget import Budget, Share
from oncoserve.runtime.draining import Draining
from oncoserve.runtime.metrics import Metrics
from oncoserve.runtime.timings import Timings
from oncoserve.runtime.tracing import Traces

VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
BAD_REQUEST = 400
CLIENT_CLOSED_REQUEST = 499  # nginx's number; there is no standard one for a caller that hung up
REFUSED = "refused"  # in a request's state: the error that its connection has found already
MIN_BYTES_PER_S = 8 * 1024  # of a body, lately: a byte now and then is too slow
LONGEST_BODY_S = 3600  # a large body has to come more quickly, because its memory is taken meanwhile

log = logging.getLogger("frontend.access")


class RequestContext:
    """Gives each request its id, its stopwatch, its line in the log, its place in the metrics and the trace.

    Args:
        app: what to wrap.
        metrics: where to count.
        traces: where the request's span gets its id and its stages.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, traces: Traces) -> None:
        self._app = app
        self._in_flight = metrics.in_flight
        self._traces = traces
        # Remembered by their labels, of which there are few: to find a series again took longer than to count in it.
        self._requests = cache(metrics.requests.labels)
        self._duration = cache(metrics.duration.labels)
        self._stages = cache(metrics.stages.labels)
        self._errors = cache(metrics.errors.labels)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event; see the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = _header(scope, b"x-request-id")
        request_id = offered if VALID_REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex
        self._traces.name(request_id)
        timings = Timings()
        state = scope.setdefault("state", {})
        state.update(request_id=request_id, timings=timings, error_code=None)
        status = CLIENT_CLOSED_REQUEST
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                own = (b"x-request-id", request_id.encode()), (b"server-timing", timings.header().encode())
                message["headers"] = [*message["headers"], *own]
            await send(message)

        with self._in_flight.track_inprogress():
            try:
                if REFUSED in state:
                    state["error_code"] = state[REFUSED].code
                    await problem(state[REFUSED], request_id, root_of(scope))(scope, receive, send_with_headers)
                else:
                    await self._app(scope, receive, send_with_headers)
            except ClientDisconnect:
                pass  # the caller has gone
            except Exception as error:
                ours = translate(error)
                state["error_code"] = ours.code
                if isinstance(ours, InternalError):
                    log.exception("unexpected error", extra={"request_id": request_id})
                else:
                    log.warning("out of resources", extra={"request_id": request_id, "error": repr(error)})
                if started:
                    raise
                await problem(ours, request_id, root_of(scope))(scope, receive, send_with_headers)
            finally:
                self._record(scope, status, timings)

    def _record(self, scope: Scope, status: int, timings: Timings) -> None:
        state = scope["state"]
        route = getattr(scope.get("route"), "path", "unmatched")
        total_ms = timings.total_ms()
        self._requests(route, scope["method"] if route != "unmatched" else "any", status).inc()
        self._traces.stages(timings)
        self._duration(route).observe(total_ms / 1e3)
        for stage, value_ms in timings.stages().items():
            self._stages(stage).observe(value_ms / 1e3)
        if state["error_code"]:
            self._errors(state["error_code"]).inc()
        log.info(
            "request",
            extra={
                "request_id": state["request_id"],
                "method": scope["method"],
                "route": route,
                "status": status,
                "code": state["error_code"],
                "key": state.get("owner"),
                "ms": round(total_ms, 1),
            },
        )


class BodyLimit:
    """Counts and times the body while it arrives, and has room for it in the memory before it does.

    Args:
        app: what to wrap.
        limit_bytes: largest body.
        timeout_s: longest silence, and how far a body may fall behind its pace, in seconds.
        budget: of the bodies that are there at once, until their requests are answered.
    """

    def __init__(self, app: ASGIApp, limit_bytes: int, timeout_s: float, budget: Budget) -> None:
        self._app = app
        self._limit = limit_bytes
        self._timeout_s = timeout_s
        self._budget = budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event; see the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self._budget.share() as share:
            body = _Body(scope, receive, self._limit, self._timeout_s, share)
            await self._app(scope, body.receive, send)


class _Body:
    def __init__(self, scope: Scope, receive: Receive, limit: int, timeout_s: float, share: Share) -> None:
        self._declared = _header(scope, b"content-length", "0")
        self._receive = receive
        self._limit = limit
        self._timeout_s = timeout_s
        self._share = share
        self._size = self._met = 0
        self._ahead_s = 0.0  # of its pace; below 0 it is behind
        self._begun, self._more = False, True

    async def receive(self) -> Message:
        """The next event. Errors are raised where the body is read, inside the routes: the usual handler answers them.

        Raises:
            MalformedRequest, UploadTooLarge, NoRoom, RequestTimeout
        """
        if not self._begun:
            await self._begin()
        if not self._more:
            return await self._receive()  # waits for the caller to hang up, which has no limit
        started = time.monotonic()
        try:
            async with asyncio.timeout(min(0.0, self._ahead_s) + self._timeout_s):
                message = await self._receive()
        except TimeoutError as error:
            raise RequestTimeout(self._timeout_s) from error
        # Only the caller's time counts, not the time in which the service worked on earlier parts.
        waited_s, size = time.monotonic() - started, len(message.get("body", b""))
        pace = max(MIN_BYTES_PER_S, self._size / LONGEST_BODY_S)
        # What came quickly buys no more than one silence: a caller could hold a large body for hours with a few bytes.
        self._ahead_s = min(self._timeout_s, self._ahead_s + size / pace - waited_s)
        self._met += size
        self._more = message.get("more_body", False)
        if self._met > self._limit:
            raise UploadTooLarge(self._met, self._limit, whole=False)
        if self._met > self._size:  # in chunks, without a length
            self._size = min(self._limit, 2 * self._met)
            self._share.grow(self._size)
        return message

    async def _begin(self) -> None:
        declared = self._declared
        if not (declared.isascii() and declared.isdigit()):
            raise MalformedRequest(f"Content-Length is {declared[:40]!r}, not a number.")
        self._size = int(declared[:20])
        if self._size > self._limit:
            raise UploadTooLarge(self._size, self._limit)
        if self._size:
            await self._share.wait(self._size)
        self._begun = True


class CloseConnections:
    """Closes each connection after its answer once the process is about to stop, so that callers go elsewhere.

    Args:
        app: what to wrap.
        draining: whether it is.
    """

    def __init__(self, app: ASGIApp, draining: Draining) -> None:
        self._app = app
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event; see the ASGI specification."""

        async def send_last(message: Message) -> None:
            # An error may be answered before the body is read: closing then would reset the connection too early.
            if self._draining.active and message["type"] == "http.response.start" and message["status"] < BAD_REQUEST:
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, send_last)


def _header(scope: Scope, name: bytes, default: str = "") -> str:
    """The first header of that name."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), default)
