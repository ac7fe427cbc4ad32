"""Who gets memory, who waits for it, and when it is free again."""

import asyncio
import threading
from contextlib import ExitStack

import pytest

from oncoserve.errors import NoRoom
from oncoserve.runtime import budget
from oncoserve.runtime.budget import Budget
from oncoserve.runtime.sharing import SharedCounts
from testbed.fakes import let_others_run

LIMIT = 8 * 2**20
LARGE = LIMIT - LIMIT // 8  # what large things may take
MUCH = LARGE // 2 + 1  # two of these do not fit


def made(counts=None, wait_s=30.0):
    return Budget("pictures", LIMIT, (counts or SharedCounts(None, 2)).of("pictures"), wait_s)


def test_what_is_taken_is_given_back_at_the_end():
    memory = made()
    with memory.share() as one, memory.share() as another:
        assert one.take(MUCH)
        assert not another.take(MUCH)
        assert another.take(LARGE - MUCH)
        assert memory.used_bytes() == LARGE
    assert memory.used_bytes() == 0


def test_small_things_have_room_of_their_own():
    memory = made()
    with ExitStack() as held:
        assert held.enter_context(memory.share()).take(LARGE)
        small = [held.enter_context(memory.share()).take(memory.largest_small) for _ in range(17)]
        assert small == [True] * 16 + [False]
        assert memory.used_bytes() == LIMIT


def test_what_is_larger_than_its_part_is_taken_alone():
    memory = made()
    with memory.share() as huge, memory.share() as other:
        assert huge.take(100 * LIMIT)
        assert not other.take(MUCH)
        assert memory.used_bytes() == LARGE


async def test_who_waited_longer_comes_first():
    memory, served = made(), []

    async def want(name, size):
        with memory.share() as share:
            await share.wait(size)
            served.append(name)
            await asyncio.sleep(0)

    with memory.share() as holder:
        holder.take(LARGE)
        waiting = [asyncio.create_task(want(name, size)) for name, size in (("much", MUCH), ("little", LARGE // 4))]
        await let_others_run()
        holder.keep(MUCH)  # room for little, who came later
        await asyncio.sleep(0.05)
        with memory.share() as late:
            assert not late.take(LARGE // 4)
        assert served == []
    await asyncio.gather(*waiting)
    assert served == ["much", "little"]
    assert memory.used_bytes() == 0


async def test_a_wait_that_is_too_long_says_the_limit_and_what_was_met():
    memory = made(wait_s=0.05)
    with memory.share() as holder, memory.share() as share:
        holder.take(MUCH)
        with pytest.raises(NoRoom, match=r"3.5 MiB are needed; 3.5 of the 7 MiB for pictures are taken") as refused:
            await share.wait(MUCH)
        assert refused.value.retry_after_s > 0
        assert memory.used_bytes() == MUCH


async def test_so_many_may_wait(monkeypatch):
    monkeypatch.setattr(budget, "MAX_WAITING", 2)
    memory = made()
    with memory.share() as holder, ExitStack() as others:
        holder.take(LARGE)
        shares = [others.enter_context(memory.share()) for _ in range(3)]
        waiting = [asyncio.create_task(each.wait(MUCH)) for each in shares[:2]]
        await let_others_run()
        with pytest.raises(NoRoom, match="2 requests wait"):
            await shares[2].wait(MUCH)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        holder.close()
        await shares[2].wait(MUCH)


def test_growing_never_waits():
    memory = made()
    with memory.share() as holder, memory.share() as body:
        holder.take(MUCH)
        body.grow(LARGE // 4)
        with pytest.raises(NoRoom):
            body.grow(MUCH)
        assert memory.used_bytes() == MUCH + LARGE // 4


async def test_a_thread_that_goes_on_keeps_it():
    memory, begun, go = made(), threading.Event(), threading.Event()

    def work():
        with share.in_use():
            begun.set()
            go.wait(30)

    with memory.share() as share:
        share.take(MUCH)
        thread = threading.Thread(target=work)
        thread.start()
        begun.wait(30)
    assert memory.used_bytes() == MUCH
    go.set()
    thread.join()
    assert memory.used_bytes() == 0


async def test_processes_share_it(tmp_path):
    one, another = (made(SharedCounts(tmp_path, 2)) for _ in range(2))
    with another.share() as waiting:
        with one.share() as holder:
            assert holder.take(MUCH)
            assert not waiting.take(MUCH)
            task = asyncio.create_task(waiting.wait(MUCH))
            await asyncio.sleep(0.05)
            assert not task.done()
        await asyncio.wait_for(task, 30)
