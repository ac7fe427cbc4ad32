"""A closed-loop HTTP client that costs little: raw connections, no HTTP library, one answer parsed by hand.

On a machine with two cores what the client burns is missing to the server. So every server gets the same client, and it
does as little as HTTP/1.1 with keep-alive needs.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import cast

from loadtest.compare.photographs import Uploads
from loadtest.compare.window import Window

_BOUNDARY = b"oncoserve-compare-7d1f3a"
_HEAD_END = b"\r\n\r\n"
_OK = b"200"
_RECONNECT_S = 0.02


@dataclass(frozen=True)
class Target:
    """Where pictures are posted to as multipart/form-data.

    Attributes:
        port: On 127.0.0.1.
        path: Such as "/predict".
        field: The form field of the picture.
    """

    port: int
    path: str
    field: str = "image"

    def request(self, comment: bytes, rest: bytes) -> list[bytes]:
        """The bytes of one request, in pieces; the picture is `comment` + `rest`."""
        part = (
            b'--%b\r\nContent-Disposition: form-data; name="%b"; filename="picture.jpg"\r\n'
            b"Content-Type: image/jpeg\r\n\r\n"
        ) % (_BOUNDARY, self.field.encode())
        end = b"\r\n--%b--\r\n" % _BOUNDARY
        head = (
            b"POST %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: application/json\r\n"
            b"Content-Type: multipart/form-data; boundary=%b\r\nContent-Length: %d\r\n\r\n"
        ) % (self.path.encode(), self.port, _BOUNDARY, len(part) + len(comment) + len(rest) + len(end))
        return [head + part + comment, rest, end]


class RawConnection(asyncio.Protocol):
    """One keep-alive connection; one request at a time.

    Attributes:
        closed: The server ended it, or said that it will.
    """

    def __init__(self) -> None:
        self.closed = False
        self._received = bytearray()
        self._answer: asyncio.Future[tuple[str, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write to."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it

    def data_received(self, data: bytes) -> None:
        """Collect the answer and hand it over when it is whole."""
        self._received += data
        head_end = self._received.find(_HEAD_END)
        if head_end < 0 or self._answer is None or self._answer.done():
            return
        head = bytes(self._received[:head_end]).lower()
        length = _body_length(head)
        body = bytes(self._received[head_end + len(_HEAD_END) :])
        if length is None:
            self._answer.set_result(("no content-length", b""))
            self.close()
        elif len(body) >= length:
            self.closed = self.closed or b"\r\nconnection: close" in head
            self._received.clear()
            status = head[9:12]
            self._answer.set_result(("" if status == _OK else status.decode(), body))

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits learns it."""
        self.closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((f"connection lost {type(exc).__name__ if exc else ''}".strip(), b""))

    async def ask(self, request: list[bytes]) -> tuple[str, bytes]:
        """Send a request.

        Returns:
            What was wrong ("" for status 200, else the status or a few words) and the body.

        Raises:
            ConnectionError: It is closed; an answer would never come.
        """
        if self._transport is None or self.closed:
            raise ConnectionError("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.writelines(request)
        return await self._answer

    def close(self) -> None:
        """End the connection."""
        self.closed = True
        if self._transport is not None:
            self._transport.close()


async def connect(target: Target) -> RawConnection:
    """Open a connection.

    Raises:
        OSError: Nobody listens.
    """
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(RawConnection, "127.0.0.1", target.port)
    return connection


async def closed_loop(target: Target, uploads: Uploads, connections: int, window: Window) -> None:
    """Keep `connections` requests under way until the window closes; the next leaves when the last was answered."""
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_keep_asking(target, uploads, window))


async def _keep_asking(target: Target, uploads: Uploads, window: Window) -> None:
    while window.running():
        sent = time.perf_counter()
        try:
            connection = await connect(target)
        except OSError as error:
            window.record(sent, f"connect: {error.strerror}")
            await asyncio.sleep(_RECONNECT_S)
            continue
        try:
            while window.running() and not connection.closed:
                request = target.request(*uploads.take())
                sent = time.perf_counter()
                wrong, _ = await connection.ask(request)
                window.record(sent, wrong)
        finally:
            connection.close()


def _body_length(head: bytes) -> int | None:
    """Content-Length of a lower-case head, None if it has none (a chunked answer)."""
    _, found, rest = head.partition(b"\r\ncontent-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else None
