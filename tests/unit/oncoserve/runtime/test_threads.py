import asyncio
import threading
import weakref

import pytest

from oncoserve.runtime.threads import CpuThreads


@pytest.fixture
def pool():
    made = CpuThreads(2)
    yield made
    made.close()


class Thing:
    pass


async def test_answers_and_errors_come_back(pool):
    assert await pool.run(divmod, 7, 4) == (1, 3)
    with pytest.raises(ZeroDivisionError):
        await pool.run(divmod, 7, 0)
    assert await pool.run(int, "11", base=2) == 3  # the thread of the error goes on


async def test_so_many_at_once_and_no_more(pool):
    both, third = threading.Barrier(3), threading.Event()
    working = [asyncio.create_task(pool.run(both.wait, 5)) for _ in range(2)]
    late = asyncio.create_task(pool.run(third.set))
    await asyncio.sleep(0.05)
    assert not third.is_set()
    both.wait(5)
    await asyncio.gather(*working, late)
    assert third.is_set()


async def test_what_nobody_waits_for_is_not_begun(pool):
    go, begun = threading.Event(), []
    working = [asyncio.create_task(pool.run(go.wait, 5)) for _ in range(2)]
    given_up = asyncio.create_task(pool.run(begun.append, 1))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    go.set()
    await asyncio.gather(*working)
    await pool.run(int)
    assert begun == []


async def test_an_answer_that_nobody_waits_for_is_dropped(pool):
    begun, go = threading.Event(), threading.Event()

    def work():
        begun.set()
        go.wait(5)

    given_up = asyncio.create_task(pool.run(work))
    await asyncio.to_thread(begun.wait, 5)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    go.set()
    assert await pool.run(int) == 0


async def test_nothing_is_kept_between_two_calls(pool):
    thing = Thing()
    gone = weakref.ref(thing)
    assert await pool.run(lambda it: it is not None, thing)
    del thing
    for _ in range(100):
        if gone() is None:
            return
        await asyncio.sleep(0.01)
    pytest.fail("the last argument is still there")


async def test_closing_waits_for_what_is_under_way():
    pool, begun, done = CpuThreads(1), threading.Event(), []

    def work():
        begun.set()
        threading.Event().wait(0.05)
        done.append(1)

    working = asyncio.create_task(pool.run(work))
    await asyncio.to_thread(begun.wait, 5)
    pool.close()
    assert done == [1]
    await working


def test_a_loop_that_is_gone_does_not_end_a_thread(pool):
    go = threading.Event()

    async def ask():
        asyncio.get_running_loop().call_later(0.05, asyncio.current_task().cancel)
        await pool.run(go.wait, 5)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(ask())
    go.set()
    assert asyncio.run(pool.run(divmod, 7, 4)) == (1, 3)


async def test_an_error_keeps_nothing_of_whoever_caught_it(pool, without_collector):
    async def ask_and_catch():
        thing = Thing()
        with pytest.raises(ZeroDivisionError):
            await pool.run(lambda _: 1 / 0, thing)
        return weakref.ref(thing)

    gone = await ask_and_catch()
    for _ in range(100):  # the thread lets go of its call a little later
        if gone() is None:
            return
        await asyncio.sleep(0.01)
    pytest.fail("the argument is still there")
