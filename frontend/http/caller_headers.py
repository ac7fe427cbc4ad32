"""What a caller says about itself: how urgent it is, how long it waits, and that it has gone away."""

import asyncio
import math
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from oncoserve.errors import InvalidParameter
from oncoserve.prediction.admission import Lane
from oncoserve.prediction.caller import Caller
from oncoserve.prediction.deadline import Deadline

MAX_TIMEOUT_S = 3600
LISTEN_AFTER_S = 0.1  # most answers take less; a caller who hangs up earlier is noticed then
BACKGROUND_URGENCY = re.compile(r"(?:^|,)\s*u=[67]\s*(?:;[^,]*)?(?:,|$)")
SECONDS = re.compile(r"\d{1,4}(\.\d{1,6})?", re.ASCII)

# OpenAPI's description of the headers below.
HEADERS: tuple[dict[str, Any], ...] = (
    {
        "name": "Priority",
        "in": "header",
        "required": False,
        "description": "RFC 9218. Urgency 6 or 7 (`u=6`) is background work: it waits while interactive requests run.",
        "schema": {"type": "string"},
    },
    {
        "name": "Request-Timeout",
        "in": "header",
        "required": False,
        "description": "Seconds that the caller waits for the whole request; 504 when they are over.",
        "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_TIMEOUT_S},
    },
)

PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "RFC 7240. With `respond-async` the answer is 202 and a job; ignored where a version is named.",
    "schema": {"type": "string"},
}


def lane(headers: Headers) -> Lane:
    """The lane that `Priority` asks for; as RFC 9218 says, a value that cannot be read is ignored."""
    return Lane.BACKGROUND if BACKGROUND_URGENCY.search(headers.get("priority", "")) else Lane.INTERACTIVE


def timeout_s(headers: Headers) -> float:
    """The seconds of `Request-Timeout`; infinite without one.

    Raises:
        InvalidParameter: not a number of seconds above 0 and up to MAX_TIMEOUT_S.
    """
    given = headers.get("request-timeout")
    if given is None:
        return math.inf
    if not (SECONDS.fullmatch(given) and 0 < float(given) <= MAX_TIMEOUT_S):
        raise InvalidParameter(
            f"Request-Timeout is {given[:64]!r}: it has to be seconds above 0, at most {MAX_TIMEOUT_S}."
        )
    return float(given)


def read(request: Request) -> Caller:
    """What the prediction has to know.

    Raises:
        InvalidParameter: see `timeout_s`.
    """
    deadline = Deadline(timeout_s(request.headers), request.state.timings.total_ms() / 1e3)
    return Caller(request.state.owner, lane(request.headers), deadline)


@asynccontextmanager
async def while_connected(request: Request) -> AsyncIterator[Callable[[], None]]:
    """Cancel the block when the caller hangs up.

    Yields:
        What begins to listen; to be called when the body has been read, since only what follows it tells.

    Raises:
        ClientDisconnect: the block was cancelled.
    """
    work = asyncio.current_task()
    gone = False

    async def listen() -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True
        if work is not None:
            work.cancel()

    waiting: list[asyncio.TimerHandle | asyncio.Task[None]] = []

    def begin() -> None:
        # A task for each request would cost more than what is saved by noticing a little earlier.
        loop = asyncio.get_running_loop()
        waiting.append(loop.call_later(LISTEN_AFTER_S, lambda: waiting.append(loop.create_task(listen()))))

    try:
        yield begin
    except asyncio.CancelledError:
        if gone and work is not None and not work.uncancel():
            raise ClientDisconnect from None
        raise
    finally:
        for each in waiting:
            each.cancel()
