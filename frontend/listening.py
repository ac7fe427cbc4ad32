"""The port: taken before anything else is started, closed without cutting anybody off, announced when it is of use."""

import asyncio
import contextlib
import ctypes
import json
import socket
import struct
from http import HTTPStatus

BACKLOG = 2048
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_DROP_EVERYTHING = struct.pack("HBBI", 0x06, 0, 0, 0)  # BPF_RET, 0 bytes of the packet: linux/filter.h

_ANYWHERE = {"0.0.0.0": "localhost", "127.0.0.1": "localhost", "::": "localhost"}  # noqa: S104 - compared, not bound
FIRST_PAUSE_S, LONGEST_PAUSE_S, GROWTH = 0.2, 30.0, 1.3
SAY_AFTER_S = 30.0
ANSWER_S = 10.0


def listen(host: str, port: int) -> socket.socket:
    """Take the port, so that a taken one is told at once and by name.

    Raises:
        OSError: it is taken, or the address is not this machine's.
    """
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def refuse_new_connections(listener: socket.socket) -> None:
    """Let no further connection come into the queue of a listening socket, for all processes that share it.

    Those in the queue stay. Whoever comes meanwhile asks again a second later and finds the port closed, instead of
    being let in and then cut off.
    """
    program = ctypes.create_string_buffer(_DROP_EVERYTHING)
    with contextlib.suppress(OSError):  # some sandboxes have no such filters
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))


async def announce(host: str, port: int, root: str = "") -> None:
    """Tell the user the address as soon as a prediction would be answered; after a while, tell what is missing."""
    url = f"http://{_ANYWHERE.get(host, host)}:{port}{root}/"
    started, pause_s, said = asyncio.get_running_loop().time(), FIRST_PAUSE_S, False
    while (missing := await _what_is_missing(_ANYWHERE.get(host, host), port)) is not None:
        if not said and asyncio.get_running_loop().time() - started > SAY_AFTER_S:
            print(f"Oncoserve is not ready yet: {missing.rstrip('.')}. It goes on trying.", flush=True)  # noqa: T201
            said = True
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * GROWTH, LONGEST_PAUSE_S)
    print(f"Oncoserve is ready: {url}", flush=True)  # noqa: T201 - what the terminal is for


async def _what_is_missing(host: str, port: int) -> str | None:
    """Ask /readyz; None if nothing is."""
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(host, port)
            with contextlib.closing(writer):
                writer.write(b"GET /readyz HTTP/1.0\r\n\r\n")
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        if head.split()[1:2] == [b"%d" % HTTPStatus.OK]:
            return None
        return "; ".join(f"{name}: {reason}" for name, reason in json.loads(body)["problems"].items())
    except (OSError, TimeoutError, ValueError, LookupError):
        return "it does not answer"
