"""Two doors at one port, each with its own place among the counts, as two processes have them."""

import asyncio
import contextlib
import os
import resource
import socket
import time
from pathlib import Path

import pytest

from frontend.http.wire import accepting
from frontend.http.wire.accepting import CONNECTIONS, HELD, LISTENS, OTHERS_FIRST_S, Door
from oncoserve.runtime.sharing import SharedCounts

LONG_S = 30


class Held(asyncio.Protocol):
    def __init__(self, lost, held):
        self._lost, self._held = lost, held

    def connection_made(self, transport):
        self.transport = transport
        self._held.append(self)

    def connection_lost(self, _):
        self._held.remove(self)
        self._lost()


class Process:
    """What one process has: its counts, and a door when it opens one."""

    def __init__(self, folder, listener):
        self.load = SharedCounts(folder, 2).of(CONNECTIONS)
        self.listener = listener.dup()
        self.held = []
        self.door = None

    def open(self):
        self.door = Door(self.listener, lambda lost: Held(lost, self.held), self.load)

    async def end(self):
        if self.door is not None:
            self.door.close()
        for each in [*self.held]:
            each.transport.abort()
        await until(lambda: not self.held)
        self.listener.close()

    def hang(self):
        """Listen, as far as others know, and take nothing."""
        self.load.add(LISTENS, 1)


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        yield listening


@pytest.fixture
async def processes(listener, tmp_path):
    made = [Process(tmp_path, listener) for _ in range(2)]
    yield made
    for each in made:
        await each.end()


@pytest.fixture
def call(listener):
    """Opens so many connections, which the test's end closes; they wait from then on."""
    connections = []

    def call(count):
        made = [socket.create_connection(listener.getsockname()) for _ in range(count)]
        connections.extend(made)
        return made

    yield call
    for each in connections:
        each.close()


async def until(condition):
    async with asyncio.timeout(LONG_S):
        while not condition():
            await asyncio.sleep(0.001)


def counts(processes):
    return [len(each.held) for each in processes]


async def test_connections_that_wait_are_shared_out(processes, call):
    one, other = processes
    call(8)
    one.open()
    await until(lambda: counts(processes) == [8, 0])  # nobody else is there
    call(8)
    other.open()
    await until(lambda: sum(counts(processes)) == 16)
    assert counts(processes) == [8, 8]


async def test_one_after_the_other_goes_where_there_are_fewer(processes, call):
    for each in processes:
        each.open()
    for count in range(1, 10):
        call(1)
        await until(lambda count=count: sum(counts(processes)) == count)
        held = counts(processes)
        assert max(held) - min(held) <= 1


async def test_what_is_over_is_no_longer_counted(processes, call):
    for each in processes:
        each.open()
    for _ in range(3):
        connections = call(7)
        await until(lambda: sum(counts(processes)) == 7)
        assert sorted(counts(processes)) == [3, 4]
        for each in connections:
            each.close()
        await until(lambda: counts(processes) == [0, 0])
        assert [each.load.own(HELD) for each in processes] == [0, 0]


async def test_who_hangs_costs_others_a_moment_and_no_connection(processes, call):
    works, hangs = processes
    hangs.hang()
    works.open()
    call(6)
    await until(lambda: counts(processes) == [3, 0])
    started = time.monotonic()
    await until(lambda: counts(processes) == [6, 0])
    assert time.monotonic() - started >= OTHERS_FIRST_S / 2  # it did wait for the other
    call(2)
    await until(lambda: counts(processes) == [8, 0])


async def test_a_door_that_is_closed_takes_nothing_and_is_not_waited_for(processes, call):
    stays, goes = processes
    goes.open()
    goes.door.close()
    goes.door = None
    stays.open()
    call(5)
    await until(lambda: counts(processes) == [5, 0])
    assert [each.load.own(LISTENS) for each in processes] == [1, 0]


async def test_a_kernel_that_does_not_say_how_many_wait(processes, call, monkeypatch):
    def refuse(*_):
        raise OSError

    monkeypatch.setattr(socket.socket, "getsockopt", refuse)
    for each in processes:
        each.open()
    call(10)
    await until(lambda: sum(counts(processes)) == 10)
    assert sorted(counts(processes)) == [5, 5]


@contextlib.contextmanager
def no_descriptor_left():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
    with contextlib.ExitStack() as gaps:  # below the limit that are, as where it was reached by itself
        while (next_one := os.dup(0)) < highest:
            gaps.callback(os.close, next_one)
        os.close(next_one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_who_finds_no_descriptor_waits_a_moment_for_one(processes, call, monkeypatch):
    monkeypatch.setattr(accepting, "NO_ROOM_S", 2.0)
    one = processes[0]
    one.open()
    call(3)
    with no_descriptor_left():
        await asyncio.sleep(0.1)
        assert counts(processes) == [0, 0]
        assert one.load.own(HELD) == 0
    await until(lambda: counts(processes) == [3, 0])


async def test_who_finds_no_descriptor_in_time_is_cut_off(processes, call):
    one = processes[0]
    one.open()
    connections = call(3)
    with no_descriptor_left():
        for each in connections:
            each.settimeout(0)
            async with asyncio.timeout(LONG_S):
                assert await asyncio.get_running_loop().sock_recv(each, 1) == b""
        assert counts(processes) == [0, 0]
    call(2)
    await until(lambda: counts(processes) == [2, 0])
    assert one.load.own(HELD) == 2


async def test_whoever_hangs_up_before_being_taken_is_not_held(processes, call):
    for connection in call(4):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
        connection.close()
    one = processes[0]
    one.open()
    call(1)
    await until(lambda: counts(processes) == [1, 0])
    await until(lambda: one.load.own(HELD) == 1)
