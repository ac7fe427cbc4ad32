"""The end of a connection whose request was answered before all of it had come, on real sockets."""

import pytest

from tests.unit.frontend.http.wire.callers import answer, get, until

PIECE = bytes(2**18)
PIECES = 128  # far more than the buffers of both ends hold


@pytest.mark.parametrize("head", [b"HTTP/1.1\r\nConnection: close", b"HTTP/1.0"])
def test_an_answer_before_the_end_of_the_body_is_no_reset(server, connect, head):
    connection = connect(b"POST /early %s\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (head, PIECES * len(PIECE)))
    for _ in range(PIECES):
        connection.sendall(PIECE)  # a reset would be met here, and take the answer with it
    status, told, body = answer(connection)
    assert (status, body) == (200, b"fine")
    assert b"connection: close" in told.lower()
    assert connection.recv(1) == b""
    connection.sendall(get("/late"))  # to a connection that reads, and takes it for no request
    assert connection.recv(1) == b""
    until(lambda: not server.server_state.connections)


def test_whoever_sends_without_an_end_is_let_go(server, connect):
    connection = connect(b"POST /early HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % 2**40)
    assert answer(connection)[0] == 200
    with pytest.raises(ConnectionError):
        _send_for_ever(connection)
    until(lambda: not server.server_state.connections)


def test_a_trailer_may_end_the_connection(connect):
    chunked = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
    connection = connect(chunked + b"Connection: close\r\n\r\n")
    status, head, body = answer(connection)
    assert (status, body) == (200, b"abc")
    assert b"connection: close" in head.lower()
    assert connection.recv(1) == b""


def _send_for_ever(connection):
    while True:
        connection.sendall(PIECE)
