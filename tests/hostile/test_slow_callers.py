"""Callers that send or read slowly, or nothing: each is let go in time, and the others are served meanwhile."""

import contextlib
import resource
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from testbed.encoded_pictures import encoded, noise
from tests.hostile.wire import PREDICT, talk

ALIVE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
PATIENCE_S = 1  # ONCO_RECEIVE_TIMEOUT_S of the fixture
SOON_S = PATIENCE_S + 3  # far above it, for a busy machine, and far below what a caller could do without a limit


PICTURE = encoded(noise((80, 70), 3))
STEADY = [PREDICT + b"Content-Length: %d\r\n\r\n" % len(PICTURE),
          *(PICTURE[place : place + 2500] for place in range(0, len(PICTURE), 2500))]  # fmt: skip

SILENT = {
    "a body that stops": PREDICT + b"Content-Length: 1000\r\n\r\n" + bytes(10),
    "a body that never begins": PREDICT + b"Content-Length: 1000\r\n\r\n",
    "a chunk that stops": PREDICT + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
    "no last chunk": PREDICT + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
    "a part": PREDICT + b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000\r\n\r\n--x\r\nConten",
    "a head that stops": PREDICT + b"X-Other: a",
    "a head that stops between two headers": PREDICT + b"X-Other: a\r\n",
    "half a request line": b"POST /v1/mod",
}
NOW_AND_THEN = {
    "body": PREDICT + b"Content-Length: 1000\r\n\r\n",
    "headers": PREDICT,
    "request line": b"POST /v1/models/tiny/predict",
}


@pytest.fixture(scope="module")
def answers(service):
    """What they were answered. All of them call at once, since the time of each is its own."""
    callers = {name: ([sent], 0.0) for name, sent in SILENT.items()}
    callers |= {name: ([head, *[b"a"] * 100], 0.1) for name, head in NOW_AND_THEN.items()}
    callers |= {"nothing": ([], 0.0), "steady": (STEADY, 0.25)}
    with ThreadPoolExecutor(len(callers)) as pool:
        asked = {name: pool.submit(talk, service.port, *pieces, pause_s=pause_s)
                 for name, (pieces, pause_s) in callers.items()}  # fmt: skip
    return {name: answer.result() for name, answer in asked.items()}


@pytest.mark.parametrize("name", SILENT)
def test_silence_ends_with_408(answers, name):
    answer = answers[name]
    assert (answer.status, answer.code, answer.closed) == (408, "request_timeout", True)
    assert PATIENCE_S * 0.9 < answer.seconds < SOON_S


@pytest.mark.parametrize("name", NOW_AND_THEN)
def test_a_byte_now_and_then_is_not_enough(answers, name):
    answer = answers[name]
    assert (answer.status, answer.code, answer.closed) == (408, "request_timeout", True)
    assert answer.seconds < SOON_S


def test_a_connection_without_a_request_is_closed(answers):
    answer = answers["nothing"]
    assert (answer.status, answer.closed) == (None, True)
    assert answer.seconds < SOON_S


def test_a_steady_slow_body_within_the_rate_is_taken(answers):
    answer = answers["steady"]
    assert answer.status == 200
    assert answer.seconds > PATIENCE_S * 1.5


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


def test_others_are_served_while_many_are_slow_and_above_the_limit_refused(tiny):
    patience_s = 3  # in which all of them have to come
    with (
        tiny(receive_timeout_s=patience_s, max_connections=40, cors_origins="https://a.example") as service,
        contextlib.ExitStack() as open_ones,
    ):

        def connect(sent):
            connection = open_ones.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            connection.sendall(sent)
            return connection

        slow = [connect(PREDICT + b"Content-Length: 1000\r\n\r\n") for _ in range(40)]
        refused = talk(service.port, b"GET /v1/models HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\r\n")
        assert (refused.status, refused.code) == (503, "too_many_connections")
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["access-control-allow-origin"] == "https://a.example"  # its page can read why
        assert talk(service.port, ALIVE).status == 200
        for connection in slow:
            connection.settimeout(60)
            with contextlib.suppress(ConnectionError):
                while connection.recv(2**16):
                    pass  # until the server has closed it
        assert talk(service.port, ALIVE).status == 200


@pytest.mark.parametrize("sent", [b"", PREDICT], ids=["idle", "heads that never end"])
def test_620_connections_without_a_request_keep_nobody_out(patient, sent):
    with contextlib.ExitStack() as open_ones:
        for _ in range(620):
            open_ones.enter_context(socket.create_connection(("127.0.0.1", patient.port))).sendall(sent)
        for path in (b"/livez", b"/readyz", b"/metrics"):  # at once
            assert talk(patient.port, b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path).status == 200, path
        time.sleep(0.2)  # in which they could have asked something
        assert talk(patient.port, PREDICT + b"Content-Length: %d\r\n\r\n" % len(PICTURE) + PICTURE).status == 200


def test_want_of_descriptors_is_told_and_over_when_there_are_some(tiny):
    with tiny() as service, contextlib.ExitStack() as open_ones:
        process = psutil.Process(service.serving_pid)
        before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (process.num_fds() + 10, before[1]))
        for _ in range(40):
            open_ones.enter_context(socket.create_connection(("127.0.0.1", service.port)))
        used = sum(process.cpu_times()[:2])
        answers = [talk(service.port, PREDICT + b"Content-Length: %d\r\n\r\n" % len(each) + each)
                   for each in (encoded(noise((400, 400), seed)) for seed in range(10))]  # fmt: skip
        assert {answer.status for answer in answers} <= {200, 503, None}  # None: there was none to accept it with
        assert all("retry-after" in answer.headers for answer in answers if answer.status == 503)
        time.sleep(1)
        assert sum(process.cpu_times()[:2]) - used < 2  # it does not try again and again
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
        open_ones.close()
        assert talk(service.port, PREDICT + b"Content-Length: %d\r\n\r\n" % len(PICTURE) + PICTURE).status == 200


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
