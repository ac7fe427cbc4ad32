"""The end of a connection whose caller may be sending at this moment.

A connection that is closed while bytes wait in it, or are on their way, is reset, and the reset takes away what the
caller has not read yet. So the sending side is ended first, and what still comes is read for a while and forgotten: for
as long as it comes, but no longer than a body may be silent.
"""

import asyncio
import os
import select
import socket
from collections.abc import Callable
from typing import Final

DRAIN_S: Final = 1.0  # of silence: what was on its way has come by then


class AnswerTransport:
    """What one answer is written to. uvicorn closes it after the last one, however much of the body is still due.

    Args:
        transport: the connection's.
        close: called instead of the transport's.
    """

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


def something_waits(transport: asyncio.Transport) -> bool:
    """Whether bytes, or the caller's end, have arrived that the loop has not read yet."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket"), select.POLLIN)
    return bool(poll.poll(0))


def end_writing(transport: asyncio.Transport) -> None:
    """Tell the caller that no more comes, after what is still to be sent.

    Where nothing is, at once and not in a later turn of the loop: a request that comes between the look at what waits
    and this word is lost.
    """
    if transport.get_write_buffer_size():
        transport.write_eof()
        return
    try:
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as own:
            own.shutdown(socket.SHUT_WR)
    except OSError:  # the caller has gone, or no descriptor is left
        transport.close()
