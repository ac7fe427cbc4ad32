"""`python -m frontend.serving`: one process that serves, started by its parent, which holds the port."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator

import uvicorn
import uvloop

from frontend.app import create_from_environment
from frontend.http.wire.connections import WireConfig, fitting_limit
from frontend.http.wire.leaving import LeavingProtocol, LeavingServer
from frontend.listening import BACKLOG
from frontend.parent import CANNOT_START, LISTENER_VARIABLE
from oncoserve.runtime.draining import Draining
from oncoserve.runtime.logs import dropped_lines
from oncoserve.settings import Settings
from supervision.heartbeat import Heartbeat
from supervision.output import unblock_standard_outputs
from supervision.stop_signals import on_stop_signals

PARENT_FIRST_S = 1.0


class Serving(LeavingServer):
    """The server of one process: gives signs of life while it serves, and leaves when it is told.

    Args:
        config: uvicorn's.
        settings: limits.
        draining: what the application looks at.
    """

    def __init__(self, config: uvicorn.Config, settings: Settings, draining: Draining) -> None:
        super().__init__(config, settings.shutdown_grace_s)
        self._drain_s = settings.drain_s
        self._draining = draining
        self._parent = os.getppid()
        self._alive = contextlib.AsyncExitStack()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Instead of uvicorn's own way, which raises them again at the end."""
        on_stop_signals(self._told)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve; the first sign of life says that this has succeeded once."""
        await super().startup(sockets)
        if heartbeat := Heartbeat.from_environment():
            await self._alive.enter_async_context(heartbeat.beating())

    async def _serve(self, sockets: list[socket.socket] | None = None) -> None:
        async with self._alive:
            await super()._serve(sockets)

    def _told(self, number: int) -> None:
        """SIGTERM: not ready, but still there for a while, until the parent says otherwise by another signal."""
        self._draining.active = True
        if number == signal.SIGTERM and os.getppid() == self._parent:
            asyncio.get_running_loop().call_later(self._drain_s + PARENT_FIRST_S, self._leave_once)
        else:  # an orphan keeps the port from whoever takes its parent's place
            self.leave()

    def _leave_once(self) -> None:
        if not self.should_exit:
            self.leave()


def main() -> int:
    """Serve until told to stop.

    Returns:
        The process's exit code.
    """
    unblock_standard_outputs(dropped_lines)
    settings = Settings.from_environment()
    max_connections, warning = fitting_limit(settings.max_connections)
    if warning:
        sys.stderr.write(f"oncoserve: {warning}\n")
    draining = Draining()
    config = WireConfig(
        lambda: create_from_environment(draining),
        factory=True,
        http=LeavingProtocol,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # `frontend.proxies` reads them, from the proxies that the settings name
        backlog=BACKLOG,
        timeout_keep_alive=settings.idle_timeout_s,
        receive_timeout_s=settings.receive_timeout_s,
        limit_concurrency=max_connections,
    )
    server = Serving(config, settings, draining)
    with (
        socket.socket(fileno=int(os.environ[LISTENER_VARIABLE])) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(server.serve([listener]))
    return 0 if server.started else CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
