"""Connections are shared out evenly among the processes of a frontend, also when one of these hangs or was killed."""

import contextlib
import socket
import time

import psutil
import pytest

from testbed.http_callers import until

WORKERS = 2
pytestmark = pytest.mark.alone  # a process that does not get to run for 50 ms is not waited for
MOST_S = 2.0  # for eight answers beside a process that is frozen; what it would be without a limit is 10 s each


@pytest.fixture
async def service(start, server):
    """All of its processes take connections, and none has any."""
    running = start(server.grpc_url, workers=WORKERS)
    with calling(running) as call:

        async def all_listen():  # ready it is with the first
            call(1)
            return len(held(running)) == WORKERS and min(held(running)) > 0

        await until(all_listen)

    async def is_quiet():
        return held(running) == [0] * WORKERS

    await until(is_quiet)
    return running


@pytest.fixture
def call(service):
    with calling(service) as call:
        yield call


@contextlib.contextmanager
def calling(service):
    """Opens so many connections, which the end of the block closes."""
    with contextlib.ExitStack() as stack:

        def call(count):
            address = "127.0.0.1", service.port
            return [stack.enter_context(socket.create_connection(address, timeout=30)) for _ in range(count)]

        yield call


def held(service):
    """How many connections each process has."""
    found = []
    for process in service.processes("frontend.serving"):
        with contextlib.suppress(psutil.Error):
            connections = process.net_connections("tcp")
            own = [each for each in connections if each.laddr.port == service.port and each.status == "ESTABLISHED"]
            found.append(len(own))
    return found


def is_live(connection):
    connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    return connection.recv(2**16).startswith(b"HTTP/1.1 200")


async def spread(service, count):
    async def arrived():
        return sum(held(service)) == count

    await until(arrived)
    return sorted(held(service))


async def test_at_once_and_one_after_the_other(service, call):
    call(8)
    assert min(await spread(service, 8)) >= 2  # 4, unless one of them did not get to run for 50 ms
    for count in range(9, 13):
        call(1)
        await spread(service, count)
    assert await spread(service, 12) == [6, 6]


async def test_beside_a_process_that_is_frozen(service, call):
    frozen = service.processes("frontend.serving")[0]
    frozen.suspend()
    started = time.monotonic()
    try:
        for _ in range(8):
            (connection,) = call(1)
            assert is_live(connection)
        assert time.monotonic() - started < MOST_S
    finally:
        frozen.resume()


async def test_beside_a_process_that_was_killed_and_after_it_came_back(service, call):
    call(4)
    await spread(service, 4)
    killed = service.processes("frontend.serving")[0]
    killed.kill()
    for _ in range(4):  # the other one, which has more than the dead one, as far as it knows
        (connection,) = call(1)
        assert is_live(connection)

    async def came_back():
        call(1)
        return len(held(service)) == WORKERS and min(held(service)) > 0

    await until(came_back)
    call(max(held(service)) + 9)  # first of all to the new one

    async def is_even():
        found = held(service)
        return max(found) - min(found) <= 1

    await until(is_even)
