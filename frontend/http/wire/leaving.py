"""The end of a process that serves: what it has accepted is answered, whenever it is told to stop."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frontend.http.links import root_of
from frontend.http.problems import problem
from frontend.http.wire.accepting import CONNECTIONS, Door, anybody_waits
from frontend.http.wire.connections import WireConfig
from frontend.http.wire.ending import something_waits
from frontend.http.wire.protocol import LimitedProtocol
from oncoserve.errors import ShuttingDown
from oncoserve.runtime.draining import Draining

LINGER_S = 1.0  # a caller who asks again and again does so within that time, and is told to go elsewhere
LAST_WORDS_S = 2.0  # for the answers to requests that were cancelled
POLL_S = 0.01


class LeavingServer(uvicorn.Server):
    """uvicorn's server, which takes what waits for it before it closes, and ends in time without breaking off.

    Args:
        config: uvicorn's; it has to leave the grace to this class.
        grace_s: seconds that requests under way get.
    """

    def __init__(self, config: uvicorn.Config, grace_s: float) -> None:
        super().__init__(config)
        self._grace_s = grace_s
        self._hurry = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve at these sockets, which other processes may serve at too."""
        await super().startup([])  # at none: uvicorn would take whatever waits
        load = self.lifespan.state[CONNECTIONS]
        self.servers = [Door(each, self._protocol, load) for each in sockets or []]  # type: ignore[misc] # as if they were

    def _protocol(self, lost: Callable[[], None]) -> asyncio.Protocol:
        kind: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return kind(self.config, server_state=self.server_state, app_state=self.lifespan.state, lost=lost)

    def leave(self) -> None:
        """Stop serving; told a second time, stop at once."""
        if self.should_exit:
            self._hurry.set()
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take the connections that were made already, then let uvicorn end them."""
        for _ in range(round(LINGER_S / POLL_S)):
            if not anybody_waits(sockets or []):
                break
            await asyncio.sleep(POLL_S)
        ending = asyncio.create_task(self._end_in_time())
        try:
            await super().shutdown(sockets)
        finally:
            ending.cancel()

    async def _end_in_time(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace_s):
                await self._hurry.wait()
        for task in [*self.server_state.tasks]:
            task.cancel()
        await asyncio.sleep(LAST_WORDS_S)
        for connection in [*self.server_state.connections]:
            connection.transport.abort()


class LeavingProtocol(LimitedProtocol):
    """A connection that is not cut off by the end of its process while somebody may be asking on it.

    Args:
        config: see `LimitedProtocol`.
        lost: called when the connection is over.
        others: uvicorn's.
    """

    _leaving = False
    _arrived = True  # all of the last request

    def __init__(self, config: WireConfig, *, lost: Callable[[], None], **others: Any) -> None:  # noqa: ANN401 - passed on as they are
        super().__init__(config, **others)
        self._lost = lost

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and let others know."""
        super().connection_lost(exc)
        self._lost()

    def shutdown(self) -> None:
        """Answer what is under way, or comes within a moment, and close."""
        self._leaving = True
        self.loop.call_later(LINGER_S, self._close_if_quiet)

    def on_message_begin(self) -> None:
        """A request begins to arrive."""
        super().on_message_begin()
        self._arrived = False

    def on_message_complete(self) -> None:
        """A request has arrived; perhaps one that was refused long before."""
        super().on_message_complete()
        if not self._offers():
            self._arrived = True
            self._close_if_quiet()

    def on_response_complete(self) -> None:
        """A request is answered: its connection was of use for the last time, once all of the request has arrived."""
        super().on_response_complete()
        self._close_if_quiet()

    def _close_if_quiet(self) -> None:
        if not self._leaving or not self._arrived or self._answering() or self.transport.is_closing():
            return
        if something_waits(self.transport):  # another request, most likely
            self.loop.call_later(POLL_S, self._close_if_quiet)
        else:
            self.transport.close()


class AnswerBeforeTheEnd:
    """Answers a request that has to be broken off because the process ends.

    Args:
        app: what to wrap.
        draining: whether it does.
    """

    def __init__(self, app: ASGIApp, draining: Draining) -> None:
        self._app = app
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event; see the ASGI specification."""
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except asyncio.CancelledError:
            if scope["type"] != "http" or started or not self._draining.active:
                raise
            error = ShuttingDown()
            scope["state"]["error_code"] = error.code
            await problem(error, scope["state"]["request_id"], root_of(scope))(scope, receive, send)
