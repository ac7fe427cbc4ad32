"""A closed-loop HTTP client that costs little: raw connections, and a parser in C that is told what arrives.

On a machine with two cores what the client burns is missing to the server. So every server gets the same client, and it
does as little as HTTP/1.1 with keep-alive needs.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast

import httptools

from loadtest.compare.photographs import Uploads
from loadtest.compare.window import Window

_BOUNDARY = b"oncoserve-compare-7d1f3a"
_BEFORE = (
    b'--%b\r\nContent-Disposition: form-data; name="image"; filename="picture.jpg"\r\n'
    b"Content-Type: image/jpeg\r\n\r\n" % _BOUNDARY
)
_AFTER = b"\r\n--%b--\r\n" % _BOUNDARY
_RECONNECT_S = 0.02


class RawConnection(asyncio.Protocol):
    """One keep-alive connection; one request at a time.

    Attributes:
        closed: The server ended it, or said that it will.
    """

    def __init__(self) -> None:
        self.closed = False
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._answer: asyncio.Future[tuple[str, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write to."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it

    def data_received(self, data: bytes) -> None:
        """Let it be parsed."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._hand_over(f"no HTTP: {error}")
            self.close()

    def on_body(self, body: bytes) -> None:
        """Collect the answer."""
        self._body += body

    def on_message_complete(self) -> None:
        """Hand the answer over."""
        self.closed = self.closed or not self._parser.should_keep_alive()
        status = self._parser.get_status_code()
        self._hand_over("" if status == HTTPStatus.OK else str(status))

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits learns it."""
        self.closed = True
        self._hand_over(f"connection lost {type(exc).__name__ if exc else ''}".strip())

    def _hand_over(self, wrong: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((wrong, self._body))

    async def ask(self, request: list[bytes]) -> tuple[str, bytes]:
        """Send a request: what was wrong ("" for status 200, else the status or a few words) and the body.

        Raises:
            ConnectionError: It is closed; an answer would never come.
        """
        if self._transport is None or self.closed:
            raise ConnectionError("the connection is closed")
        self._body = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.writelines(request)
        return await self._answer

    def close(self) -> None:
        """End the connection."""
        self.closed = True
        if self._transport is not None:
            self._transport.close()


@dataclass(frozen=True)
class OverHttp:
    """JPEG files in turn, as multipart/form-data, to a port of 127.0.0.1; each another one if `distinct`."""

    port: int
    path: str
    pictures: Sequence[bytes] = field(repr=False)
    distinct: bool = True

    async def answers(self, count: int) -> list[dict[str, float]]:
        """Ask about the first pictures, one after the other; see `Asking`."""
        uploads = Uploads(self.pictures)
        return [await self._answer(uploads) for _ in range(count)]

    async def closed_loop(self, connections: int, window: Window) -> None:
        """Keep that many connections busy; see `Asking`."""
        uploads = Uploads(self.pictures, distinct=self.distinct)
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(self._keep_asking(uploads, window))

    async def connect(self) -> RawConnection:
        """Open a connection; OSError if nobody listens."""
        _, connection = await asyncio.get_running_loop().create_connection(RawConnection, "127.0.0.1", self.port)
        return connection

    def request(self, comment: bytes, rest: bytes) -> list[bytes]:
        """The bytes of one request, in pieces; the picture is `comment` + `rest`."""
        head = (
            b"POST %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: application/json\r\n"
            b"Content-Type: multipart/form-data; boundary=%b\r\nContent-Length: %d\r\n\r\n"
        ) % (self.path.encode(), self.port, _BOUNDARY, len(_BEFORE) + len(comment) + len(rest) + len(_AFTER))
        return [head + _BEFORE + comment, rest, _AFTER]

    async def _answer(self, uploads: Uploads) -> dict[str, float]:
        connection = await self.connect()
        wrong, body = await connection.ask(self.request(*uploads.take()))
        connection.close()
        if wrong:
            raise ValueError(f"{wrong}: {body[:500]!r}")
        document = json.loads(body)
        if isinstance(document, list):
            document = document[0]
        if isinstance(document, dict) and document.get("undetermined"):
            return {}
        try:
            return dict(document["probabilities"])
        except (LookupError, TypeError) as error:
            raise ValueError(f"no probabilities: {body[:500]!r}") from error

    async def _keep_asking(self, uploads: Uploads, window: Window) -> None:
        while window.running():
            sent = time.perf_counter()
            try:
                connection = await self.connect()
            except OSError as error:
                window.record(sent, f"connect: {error.strerror}")
                await asyncio.sleep(_RECONNECT_S)
                continue
            try:
                while window.running() and not connection.closed:
                    request = self.request(*uploads.take())
                    sent = time.perf_counter()
                    wrong, _ = await connection.ask(request)
                    window.record(sent, wrong)
            finally:
                connection.close()
