"""The protocol on real sockets, with an application that answers at once, never, or more than a caller takes."""

import contextlib
import socket
import threading

from frontend.http.middleware import REFUSED
from frontend.http.problems import problem
from frontend.http.wire.accepting import CONNECTIONS
from frontend.http.wire.connections import WireConfig
from frontend.http.wire.leaving import LeavingProtocol, LeavingServer
from oncoserve.runtime.sharing import SharedCounts
from tests.unit.frontend.http.wire.callers import LARGE, LIMIT, PATIENCE_S


async def read(receive):
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            return body


async def lifespan(scope, receive, send):
    await receive()
    scope["state"][CONNECTIONS] = SharedCounts(None, 2).of(CONNECTIONS)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    if REFUSED in scope["state"]:
        await problem(scope["state"][REFUSED], "id")(scope, receive, send)
        return
    while scope["path"] == "/busy":
        if (await receive())["type"] == "http.disconnect":
            return
    body = LARGE if scope["path"] == "/large" else b"fine"
    if scope["path"] == "/echo":
        body = await read(receive)
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.contextmanager
def serving():
    """The server, for the length of the block; `port` is where it listens."""
    config = WireConfig(
        application, http=LeavingProtocol, loop="uvloop", log_config=None, access_log=False,
        limit_concurrency=LIMIT, timeout_keep_alive=PATIENCE_S, receive_timeout_s=PATIENCE_S,
    )  # fmt: skip
    running = LeavingServer(config, grace_s=1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=running.run, args=[[listener]])
        thread.start()
        running.port = listener.getsockname()[1]
        yield running
        running.should_exit = True
        thread.join()
