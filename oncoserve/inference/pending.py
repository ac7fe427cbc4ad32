"""How many requests wait in Triton, as it counts them itself: passed on to who may not reach its port."""

import asyncio
import contextlib
from typing import Final
from urllib.parse import urlsplit

SERIES: Final = b"nv_inference_pending_request_count"
ANSWER_S: Final = 2.0
OK: Final = b"200"


async def read_pending(address: str) -> bytes:
    """The series, word by word, so that it has the name by which it is known; without it where Triton is silent.

    Args:
        address: host:port of Triton's metrics; empty for none.
    """
    if not address:
        return b""
    where = urlsplit(f"//{address}")
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(where.hostname, where.port)
            with contextlib.closing(writer):
                writer.write(b"GET /metrics HTTP/1.0\r\nHost: %b\r\n\r\n" % address.encode())
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    except (OSError, TimeoutError):
        return b""
    return _lines(body) if head.split()[1:2] == [OK] else b""


def _lines(body: bytes) -> bytes:
    return b"".join(line for line in body.splitlines(keepends=True) if SERIES in line and line.endswith(b"\n"))
