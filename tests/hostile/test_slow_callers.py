"""Callers that send or read slowly, or nothing: each is let go in time, and the others are served meanwhile."""

import contextlib
import socket
import time

import pytest

from testbed.encoded_pictures import encoded, noise
from tests.hostile.wire import PREDICT, talk

ALIVE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
PATIENCE_S = 1  # ONCO_RECEIVE_TIMEOUT_S of the fixture
SOON_S = PATIENCE_S + 3  # far above it, for a busy machine, and far below what a caller could do without a limit


@pytest.mark.parametrize(
    ("sent", "ways"),
    [
        (b"Content-Length: 1000\r\n\r\n" + bytes(10), "a body that stops"),
        (b"Content-Length: 1000\r\n\r\n", "a body that never begins"),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", "a chunk that stops"),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n", "no last chunk"),
        (b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000\r\n\r\n--x\r\nContent-Disp", "a part"),
        (b"X-Other: a", "a head that stops"),
        (b"X-Other: a\r\n", "a head that stops between two headers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_silence_ends_with_408(service, sent, ways):
    answer = talk(service.port, PREDICT + sent)
    assert (answer.status, answer.code, answer.closed) == (408, "request_timeout", True)
    assert PATIENCE_S * 0.9 < answer.seconds < SOON_S


def test_half_a_request_line_ends_with_408(service):
    answer = talk(service.port, b"POST /v1/mod")
    assert (answer.status, answer.code, answer.closed) == (408, "request_timeout", True)


def test_a_connection_without_a_request_is_closed(service):
    answer = talk(service.port)
    assert (answer.status, answer.closed) == (None, True)
    assert answer.seconds < SOON_S


@pytest.mark.parametrize(
    "head",
    [PREDICT + b"Content-Length: 1000\r\n\r\n", PREDICT, b"POST /v1/models/tiny/predict"],
    ids=["body", "headers", "request line"],
)
def test_a_byte_now_and_then_is_not_enough(service, head):
    answer = talk(service.port, head, *[b"a"] * 100, pause_s=0.1)
    assert (answer.status, answer.code, answer.closed) == (408, "request_timeout", True)
    assert answer.seconds < SOON_S


def test_a_refused_body_may_not_come_for_ever(service):
    head = b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(head)
        assert b"404" in connection.recv(4096)
        assert _seconds_until_closed(connection, b"a") < SOON_S


def test_a_slow_head_behind_a_request_does_not_take_its_answer_away(service):
    body = encoded(noise((16, 16), 1))
    answer = talk(service.port, PREDICT + b"Content-Length: %d\r\n\r\n" % len(body) + body + b"GET /liv")
    assert answer.status == 200


def test_a_caller_that_does_not_read_is_let_go(service):
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", service.port))
        # More and more answers, none of them read.
        assert _seconds_until_closed(connection, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 20) < 2 * SOON_S


def test_a_steady_slow_body_within_the_rate_is_taken(service):
    picture = encoded(noise((120, 100), 3))
    pieces = [picture[place : place + 3000] for place in range(0, len(picture), 3000)]
    answer = talk(service.port, PREDICT + b"Content-Length: %d\r\n\r\n" % len(picture), *pieces, pause_s=0.25)
    assert answer.status == 200
    assert answer.seconds > PATIENCE_S * 1.5


def test_others_are_served_while_many_are_slow_and_above_the_limit_refused(tiny):
    patience_s = 5  # in which all of them have to come
    with tiny(receive_timeout_s=patience_s, max_connections=40) as service, contextlib.ExitStack() as open_ones:

        def connect():
            return open_ones.enter_context(socket.create_connection(("127.0.0.1", service.port)))

        slow = [connect() for _ in range(38)]
        for connection in slow:
            connection.sendall(PREDICT)
        assert talk(service.port, ALIVE).status == 200
        slow += [connect() for _ in range(6)]
        refused = talk(service.port, ALIVE)
        assert (refused.status, refused.code, refused.closed) == (503, "too_many_connections", True)
        assert int(refused.headers["retry-after"]) >= 1
        for connection in slow:
            connection.settimeout(60)
            with contextlib.suppress(ConnectionError):
                while connection.recv(2**16):
                    pass  # until the server has closed it
        assert talk(service.port, ALIVE).status == 200


def _seconds_until_closed(connection, sent):
    """How long the server takes what is sent, again and again; at most 30 s."""
    started = time.monotonic()
    connection.settimeout(30)
    while (seconds := time.monotonic() - started) < 30:
        try:
            connection.sendall(sent)
        except ConnectionError:
            break
        time.sleep(0.05)
    return seconds
