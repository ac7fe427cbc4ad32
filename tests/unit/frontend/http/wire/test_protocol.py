"""What a connection may take, how many there may be, and how they end."""

import asyncio
import contextlib
import json
import select
import threading
import time

import pytest

from frontend.http.wire.connections import RESERVE
from tests.unit.frontend.http.wire.callers import LARGE, LIMIT, LONG_S, PATIENCE_S, answer, closed, get, until


@pytest.mark.parametrize("sent", [b"", b"GET /slow HTT"], ids=["idle", "slow heads"])
def test_connections_without_a_request_give_way_to_those_with_one(server, connect, sent):
    held = [connect(sent) for _ in range(LIMIT)]
    until(lambda: len(server.server_state.connections) == LIMIT)
    time.sleep(0.2)  # longer than they have to ask something
    asking = [connect() for _ in range(LIMIT)]
    for each in asking:
        each.sendall(get("/predict"))
    assert [answer(each)[0] for each in asking] == [200] * LIMIT
    assert all(closed(each) for each in held)
    assert len(server.server_state.connections) <= LIMIT


def test_kept_alive_ones_give_way_oldest_first(server, connect):
    kept = [connect(get("/predict")) for _ in range(LIMIT)]
    for each in reversed(kept):  # so that the last one has waited for longest
        assert answer(each)[0] == 200
        time.sleep(0.01)
    time.sleep(0.2)
    for each in kept:
        each.sendall(get("/predict"))
        assert answer(each)[0] == 200
        time.sleep(0.01)
    time.sleep(0.2)
    assert answer(connect(get("/predict")))[0] == 200
    assert closed(kept[0])
    kept[1].sendall(get("/predict"))
    assert answer(kept[1])[0] == 200


def test_while_all_are_busy_health_is_told_and_everything_else_is_refused(server, connect):
    busy = [connect(get("/busy")) for _ in range(LIMIT)]
    until(lambda: len(server.server_state.tasks) == LIMIT)
    for path in ("/livez", "/readyz", "/metrics", "/livez?x=1"):
        assert answer(connect(get(path)))[0] == 200, path
    status, head, body = answer(connect(get("/predict")))
    assert (status, json.loads(body)["code"]) == (503, "too_many_connections")
    assert b"retry-after: 1" in head.lower()
    busy[0].close()
    until(lambda: len(server.server_state.tasks) == LIMIT - 1)
    until(lambda: answer(connect(get("/predict")))[0] == 200)


def test_idle_connections_cannot_fill_the_reserve(server, connect):
    for _ in range(LIMIT):
        connect(get("/busy"))
    until(lambda: len(server.server_state.tasks) == LIMIT)
    for _ in range(2 * RESERVE):
        connect()
    time.sleep(0.2)
    assert answer(connect(get("/livez")))[0] == 200
    assert len(server.server_state.connections) <= LIMIT + RESERVE


def test_a_slow_reader_that_goes_on_gets_all_of_it(connect):
    connection = connect(get("/large"), receive_buffer=2**16)
    received, started = 0, time.monotonic()
    while received < len(LARGE):
        data = connection.recv(2**16)
        assert data
        received += len(data)
        time.sleep(max(0, started + 3 * PATIENCE_S * received / len(LARGE) - time.monotonic()))
    assert time.monotonic() - started > 2 * PATIENCE_S


@pytest.mark.parametrize("pause_s", [None, 0.05], ids=["nothing", "a byte now and then"])
@pytest.mark.parametrize("end", [b"\r\n", b"Connection: close\r\n\r\n"], ids=["keep-alive", "close"])
def test_a_reader_that_takes_too_little_is_let_go(server, connect, pause_s, end):
    connection = connect(b"GET /large HTTP/1.1\r\nHost: x\r\n" + end, receive_buffer=4096)
    until(lambda: server.server_state.connections)

    def gone():
        if pause_s is not None:
            with contextlib.suppress(ConnectionError):
                connection.recv(1)
        return not server.server_state.connections

    started = time.monotonic()
    until(gone)
    assert time.monotonic() - started > 0.8 * PATIENCE_S


async def test_a_process_that_was_suspended_reads_first_what_has_come_meanwhile(server, connect):
    """The time in which it could not run is not the callers'."""
    connection = connect(get("/predict"))
    assert answer(connection)[0] == 200
    await asyncio.to_thread(_suspend, server, connection)
    assert answer(connection)[0] == 200


def _suspend(server, connection):
    protocol = next(iter(server.server_state.connections))
    stopped = threading.Event()

    def stop():
        stopped.set()
        time.sleep(2 * PATIENCE_S)

    protocol.loop.call_soon_threadsafe(stop)
    stopped.wait()
    connection.sendall(get("/predict"))


def test_a_kept_connection_ends_later_than_told_and_without_a_reset(connect):
    connection = connect(get("/predict"))
    _, head, _ = answer(connection)
    answered = time.monotonic()
    assert b"keep-alive: timeout=%d\r\n" % PATIENCE_S in head
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    assert poll.poll(1000 * LONG_S)  # its end, which this caller does not look at
    assert time.monotonic() - answered > PATIENCE_S + 1  # as long as a request may be on its way
    connection.sendall(get("/predict"))
    time.sleep(0.1)  # in which a reset would come
    assert connection.recv(1) == b""


def test_a_connection_that_ends_with_its_answer_promises_nothing(connect):
    _, head, _ = answer(connect(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    assert b"keep-alive" not in head
