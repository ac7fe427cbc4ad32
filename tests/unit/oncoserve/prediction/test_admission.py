"""Who comes in, who waits, and what a refusal says."""

import asyncio
import math
from contextlib import AsyncExitStack, ExitStack

import pytest

from oncoserve.errors import TooBusy
from oncoserve.prediction.admission import Lane
from testbed.fakes import let_others_run
from tests.unit.oncoserve.prediction.conftest import BATCH, MODEL, answer
from tests.unit.oncoserve.tasks.test_segmentation import model


@pytest.mark.parametrize(("batch", "limit"), [(0, 3), (1, 3), (2, 6), (8, 24)])
def test_the_limit_follows_from_the_batch(admission, fill, batch, limit):
    sized = model(max_batch_size=batch)
    fill(limit, of=sized)
    with pytest.raises(TooBusy, match=f"{limit} requests under way"):
        admission.check(sized)


@pytest.mark.parametrize("lane", list(Lane))
def test_lanes_do_not_take_each_others_places(admission, lane, fill):
    fill(3 * BATCH, lane)
    with pytest.raises(TooBusy):
        admission.check(MODEL, lane)
    for other in set(Lane) - {lane}:
        admission.check(MODEL, other)


async def test_retry_after_is_the_measured_time_to_drain(admission, clock, fill):
    for _ in range(50):
        await answer(admission, clock, 1.5)
    fill(6)
    with pytest.raises(TooBusy, match=r"6 requests under way, about 9 s of work") as refused:
        admission.check(MODEL)
    assert refused.value.retry_after_s == 9


async def test_answers_of_one_batch_that_come_together_count_as_one_after_the_other(admission, clock, fill):
    async def member():
        async with admission.inference(MODEL, Lane.INTERACTIVE):
            await done.wait()

    for _ in range(40):
        done = asyncio.Event()
        members = [asyncio.create_task(member()) for _ in range(4)]
        await asyncio.sleep(0)
        clock.now += 2.0
        done.set()
        await asyncio.gather(*members)
        clock.now += 100  # idle
    fill(6)
    with pytest.raises(TooBusy) as refused:
        admission.check(MODEL)
    assert refused.value.retry_after_s in (3, 4)  # 6 at half a second each, give or take the weight of the last ones


async def test_retry_after_has_bounds(admission, clock, fill):
    fill(6)
    with pytest.raises(TooBusy) as unmeasured:
        admission.check(MODEL)
    assert unmeasured.value.retry_after_s == 1
    await answer(admission, clock, 500)
    with pytest.raises(TooBusy) as slow:
        admission.check(MODEL)
    assert slow.value.retry_after_s == 60


async def test_who_would_be_answered_too_late_is_refused_at_once(admission, clock, fill):
    await answer(admission, clock, 1.0)
    fill(3)
    admission.check(MODEL)
    admission.check(MODEL, within_s=8.1)  # 4 answers at half of the rate
    with pytest.raises(TooBusy, match=r"and 7\.9 s"):
        admission.check(MODEL, within_s=7.9)


async def test_the_longest_wait_holds_for_callers_who_name_none(admission, clock, fill):
    await answer(admission, clock, 10.0)
    held = fill(3)  # the third: 30 s at the rate, 60 s at half of it
    with pytest.raises(TooBusy, match="3 requests"):
        admission.check(MODEL, within_s=math.inf)
    held.close()
    admission.check(MODEL)


async def test_one_batch_comes_in_however_slow_the_last_answers_were(admission, clock, fill):
    await answer(admission, clock, 500)
    fill(BATCH)
    with pytest.raises(TooBusy):
        admission.check(MODEL)


async def test_failures_are_not_measured(admission, clock, fill):
    await answer(admission, clock, 2.0)
    for _ in range(50):
        with pytest.raises(ConnectionError):
            async with admission.inference(MODEL, Lane.INTERACTIVE):
                raise ConnectionError
    fill(6)
    with pytest.raises(TooBusy, match="about 12 s"):
        admission.check(MODEL)


async def test_tiles_of_few_pictures_count_as_work(admission, clock, fill):
    await answer(admission, clock, 5.0)
    fill(BATCH)
    async with AsyncExitStack() as tiles:
        for _ in range(8):
            await tiles.enter_async_context(admission.inference(MODEL, Lane.INTERACTIVE))
        with pytest.raises(TooBusy, match="2 requests under way, about 40 s"):
            admission.check(MODEL)


async def test_the_background_has_one_batch_under_way(admission):
    running, release = [], asyncio.Event()

    async def work(number):
        async with admission.inference(MODEL, Lane.BACKGROUND):
            running.append(number)
            await release.wait()

    tasks = [asyncio.create_task(work(number)) for number in range(5)]
    await let_others_run()
    assert running == [0, 1]
    tasks[0].cancel()
    await let_others_run()
    assert running == [0, 1, 2]
    release.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(running) == [0, 1, 2, 3, 4]


async def test_the_background_waits_for_interactive_requests(admission):
    begun = []

    async def work():
        await admission.give_way(MODEL, Lane.BACKGROUND)
        begun.append("decoding")
        async with admission.inference(MODEL, Lane.BACKGROUND):
            begun.append("inference")

    with admission.place(MODEL):
        task = asyncio.create_task(work())
        await let_others_run()
        assert begun == []
        async with asyncio.timeout(1):  # interactive requests never wait here
            await admission.give_way(MODEL, Lane.INTERACTIVE)
            async with admission.inference(MODEL, Lane.INTERACTIVE):
                pass
        assert begun == []
    await task
    assert begun == ["decoding", "inference"]


async def test_a_background_caller_who_gives_up_leaves_nothing(admission):
    async def work():
        with admission.place(MODEL, Lane.BACKGROUND):
            await admission.give_way(MODEL, Lane.BACKGROUND)

    with admission.place(MODEL):
        tasks = [asyncio.create_task(work()) for _ in range(6)]
        await asyncio.sleep(0)
        with pytest.raises(TooBusy):
            admission.check(MODEL, Lane.BACKGROUND)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        admission.check(MODEL, Lane.BACKGROUND)


def test_the_limit_holds_for_all_processes_together(processes):
    one, another = processes
    with ExitStack() as held:
        for admission in (one, one, another, another, another):
            held.enter_context(admission.place(MODEL))
        with one.place(MODEL):
            for admission in processes:
                with pytest.raises(TooBusy, match="6 requests under way"):
                    admission.check(MODEL)
        another.check(MODEL)


async def test_a_rate_from_bad_times_is_measured_again_beside_a_busy_process(processes, clock):
    one, another = processes
    await answer(another, clock, 100)
    with ExitStack() as held:
        for _ in range(BATCH):
            held.enter_context(one.place(MODEL))
        another.check(MODEL)


async def test_the_background_waits_for_interactive_requests_of_other_processes(processes):
    one, another = processes
    begun = asyncio.Event()

    async def work():
        async with another.inference(MODEL, Lane.BACKGROUND):
            begun.set()

    with one.place(MODEL):
        task = asyncio.create_task(work())
        await asyncio.sleep(0.12)
        assert not begun.is_set()
    await asyncio.wait_for(task, 10)
    assert begun.is_set()


async def test_the_background_goes_on_while_interactive_requests_wait_for_memory(admission):
    with admission.place(MODEL) as place:
        giving_way = asyncio.create_task(admission.give_way(MODEL, Lane.BACKGROUND))
        await let_others_run()
        assert not giving_way.done()
        with place.aside(), ExitStack() as others:
            await asyncio.wait_for(giving_way, 30)
            for _ in range(3 * BATCH):
                others.enter_context(admission.place(MODEL))
        again = asyncio.create_task(admission.give_way(MODEL, Lane.BACKGROUND))
        await let_others_run()
        assert not again.done()
    await again
