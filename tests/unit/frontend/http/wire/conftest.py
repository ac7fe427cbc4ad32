"""A server whose connections are ours, and a way to open one."""

import contextlib
import socket

import pytest

from tests.unit.frontend.http.wire.callers import LONG_S
from tests.unit.frontend.http.wire.echoing import serving


@pytest.fixture
def server():
    """One for each test; a file whose tests leave it as it was has one for all of them."""
    with serving() as running:
        yield running


@pytest.fixture
def connect(server):
    """Opens a connection and sends; the test's end closes it."""
    with contextlib.ExitStack() as stack:

        def connect(sent=b"", receive_buffer=None):
            connection = stack.enter_context(socket.socket())
            if receive_buffer:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            connection.settimeout(LONG_S)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(sent)
            return connection

        yield connect
