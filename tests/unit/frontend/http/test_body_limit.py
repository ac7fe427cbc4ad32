"""The time and size of a body, on the middleware alone: what a socket cannot show quickly."""

import asyncio

import pytest

from frontend.http.middleware import MIN_BYTES_PER_S, BodyLimit
from oncoserve.errors import NoRoom, RequestTimeout, UploadTooLarge
from oncoserve.runtime.budget import Budget
from oncoserve.runtime.sharing import SharedCounts

TIMEOUT_S = 0.2


def budget(limit_bytes=10**9):
    return Budget("uploads", limit_bytes, SharedCounts(None, 2).of("uploads"), TIMEOUT_S)


def piece(size, more=True):
    return {"type": "http.request", "body": bytes(size), "more_body": more}


async def read(*events, limit_bytes=10**9, length=None, bodies=None):
    """Read a body whose pieces come after the given pauses: [(seconds, event), ...]."""
    coming = iter(events)
    met = []

    async def receive():
        pause_s, event = next(coming)
        await asyncio.sleep(pause_s)
        return event

    async def app(scope, receive, send):
        met.extend([await receive() for _ in events])

    scope = {"type": "http", "headers": [] if length is None else [(b"content-length", b"%d" % length)]}
    await BodyLimit(app, limit_bytes, TIMEOUT_S, bodies or budget(10**10))(scope, receive, None)
    return met


async def test_silence_is_limited():
    with pytest.raises(RequestTimeout, match=r"the limit is 0.2 s"):
        await read((0, piece(10**6)), (30, piece(1)))


async def test_the_rate_is_limited_and_every_byte_buys_time():
    slow = [(TIMEOUT_S / 4, piece(1))] * 8
    with pytest.raises(RequestTimeout):
        await read(*slow)
    fast = [(TIMEOUT_S / 4, piece(MIN_BYTES_PER_S))] * 8
    assert len(await read(*fast)) == 8


async def test_time_in_which_the_service_is_busy_is_not_the_callers():
    async def app(scope, receive, send):
        for _ in range(4):
            await receive()
            await asyncio.sleep(TIMEOUT_S)

    async def receive():
        return piece(1)

    await BodyLimit(app, 100, TIMEOUT_S, budget())({"type": "http", "headers": []}, receive, None)


async def test_waiting_for_the_caller_to_hang_up_is_not_limited():
    gone = {"type": "http.disconnect"}
    assert (await read((0, piece(1, more=False)), (3 * TIMEOUT_S, gone)))[-1] == gone


async def test_bytes_are_counted():
    with pytest.raises(UploadTooLarge, match=r"at least 11 bytes; the limit is 10"):
        await read((0, piece(6)), (0, piece(5)), limit_bytes=10)


async def test_what_came_quickly_does_not_buy_hours():
    trickle = [(TIMEOUT_S / 2, piece(1))] * 8
    with pytest.raises(RequestTimeout):
        await read((0, piece(10**8)), *trickle)


async def test_a_large_body_has_to_come_more_quickly():
    with pytest.raises(RequestTimeout):  # 280 kB/s are wanted, 160 come
        await read(*[(TIMEOUT_S / 4, piece(MIN_BYTES_PER_S))] * 30, length=10**9)


async def test_a_body_has_room_before_it_is_read():
    bodies, reading, done = budget(8 * 2**20), [], asyncio.Event()
    sized = {"type": "http", "headers": [(b"content-length", b"%d" % (5 * 2**20))]}

    async def receive():
        reading.append(bodies.used_bytes())
        return piece(5 * 2**20, more=False)

    async def app(scope, receive, send):
        await receive()
        await done.wait()

    one = asyncio.create_task(BodyLimit(app, 10**9, TIMEOUT_S, bodies)(sized, receive, None))
    await asyncio.sleep(0)
    with pytest.raises(NoRoom, match=r"5 MiB are needed; 5 of the 7 MiB for uploads are taken"):
        await BodyLimit(app, 10**9, TIMEOUT_S, bodies)(sized, receive, None)
    assert reading == [5 * 2**20]
    done.set()
    await one
    assert bodies.used_bytes() == 0


async def test_a_body_without_a_length_is_counted_while_it_comes():
    bodies = budget(8 * 2**20)
    with bodies.share() as other:
        other.take(4 * 2**20)
        await read((0, piece(2**20)), bodies=bodies)
        with pytest.raises(NoRoom):
            await read(*[(0, piece(2**20))] * 4, bodies=bodies)
        assert bodies.used_bytes() == 4 * 2**20
