"""The launcher's own port: whether callers would be answered, and the counts of what was lost.

A few lines of HTTP on the launcher's event loop: no thread that a slow reader could hold, and nothing to install.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_LATEST

MOST_CONNECTIONS = 16
MOST_HEAD_BYTES = 8192
PATIENCE_S = 2.0  # for a whole request and its answer


class StatusServer:
    """Answers GET /livez, /readyz and /metrics.

    Args:
        is_live: Whether Triton serves what it could load.
        problems: Why callers would get no answer, by the part's or model's name.
        metrics: In Prometheus' text format.
    """

    def __init__(
        self, is_live: Callable[[], bool], problems: Callable[[], dict[str, str]], metrics: Callable[[], bytes]
    ) -> None:
        self._is_live = is_live
        self._problems = problems
        self._metrics = metrics
        self._connections = 0

    @contextlib.asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[None]:
        """Listen for the length of the block.

        Raises:
            OSError: The port is taken, or the address is not this machine's.
        """
        server = await asyncio.start_server(self._serve, host, port, limit=MOST_HEAD_BYTES)
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connections >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self._connections += 1
        try:
            async with asyncio.timeout(PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(head))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            self._connections -= 1

    def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        status, kind, body = HTTPStatus.NOT_FOUND, "application/json", b"{}"
        if method not in {b"GET", b"HEAD"}:
            status = HTTPStatus.METHOD_NOT_ALLOWED
        elif path == b"/metrics":
            status, kind, body = HTTPStatus.OK, CONTENT_TYPE_LATEST, self._metrics()
        elif path == b"/livez":
            status = HTTPStatus.OK if self._is_live() else HTTPStatus.SERVICE_UNAVAILABLE
        elif path == b"/readyz":
            problems = self._problems()
            status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
            body = json.dumps({"ready": not problems, "problems": problems}).encode()
        lines = (
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
            "Connection: close",
        )
        return "\r\n".join([*lines, "", ""]).encode() + (b"" if method == b"HEAD" else body)
