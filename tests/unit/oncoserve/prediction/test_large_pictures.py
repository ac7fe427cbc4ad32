"""Pictures of many tiles: one at a time, in order, beside small ones."""

import asyncio

import pytest

from oncoserve.errors import TooBusy
from oncoserve.prediction.admission import Lane
from testbed.fakes import let_others_run
from tests.unit.oncoserve.prediction.conftest import BATCH, MODEL, answer


async def large(admission, name, done, release, lane=Lane.INTERACTIVE):
    with admission.place(MODEL, lane) as place:
        await admission.fit(MODEL, place, 100)
        await release.wait()
        done.append(name)


async def test_large_pictures_run_one_by_one_in_order_and_small_ones_beside_them(admission, fill):
    done, gates = [], [asyncio.Event() for _ in range(3)]
    tasks = [asyncio.create_task(large(admission, number, done, gate)) for number, gate in enumerate(gates)]
    await let_others_run()
    for gate in reversed(gates[1:]):
        gate.set()  # nothing holds them but the first
    await let_others_run()
    assert done == []
    fill(3 * BATCH)  # as many small ones as without them
    gates[0].set()
    await asyncio.gather(*tasks)
    assert done == [0, 1, 2]


async def test_too_many_large_pictures_are_told_the_time_of_their_tiles(admission, clock):
    await answer(admission, clock, 0.3)
    release = asyncio.Event()
    tasks = [asyncio.create_task(large(admission, number, [], release)) for number in range(3)]
    await let_others_run()
    told = r"3 large pictures under way, about 90 s of work; the limit is 3"
    with admission.place(MODEL) as place, pytest.raises(TooBusy, match=told) as refused:
        await admission.fit(MODEL, place, 100)
    assert refused.value.retry_after_s == 60
    release.set()
    await asyncio.gather(*tasks)


async def test_a_large_picture_that_would_come_too_late_is_refused(admission, clock):
    await answer(admission, clock, 0.3)
    release = asyncio.Event()
    first = asyncio.create_task(large(admission, 0, [], release))
    await let_others_run()
    with admission.place(MODEL) as place:
        with pytest.raises(TooBusy, match=r"1 large pictures .* about 30 s .* and 119 s"):
            await admission.fit(MODEL, place, 100, 119)
        second = asyncio.create_task(admission.fit(MODEL, place, 100, 121))
        await let_others_run()
        release.set()
        await asyncio.gather(first, second)


async def test_a_large_picture_that_waits_for_its_turn_and_gives_up_leaves_nothing(admission):
    release = asyncio.Event()
    first = asyncio.create_task(large(admission, 0, [], release))
    await let_others_run()
    others = [asyncio.create_task(large(admission, number, [], release)) for number in (1, 2)]
    await let_others_run()
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    release.set()
    await first
    with admission.place(MODEL) as place:
        await asyncio.wait_for(admission.fit(MODEL, place, 100), 30)


async def test_tiles_of_small_pictures_take_places_until_they_are_answered(admission, clock):
    with admission.place(MODEL) as one, admission.place(MODEL) as another:
        for place in (one, another):
            await admission.fit(MODEL, place, 4)
        with pytest.raises(TooBusy, match="8 requests"):
            admission.check(MODEL)
        for _ in range(3):
            async with admission.inference(MODEL, Lane.INTERACTIVE, one):
                pass
        admission.check(MODEL)


async def test_large_pictures_of_two_processes_take_turns(processes):
    done, release = [], asyncio.Event()
    first = asyncio.create_task(large(processes[0], 0, done, release))
    await let_others_run()
    now = asyncio.Event()
    now.set()
    second = asyncio.create_task(large(processes[1], 1, done, now))
    await asyncio.sleep(0.12)
    assert done == []
    release.set()
    await asyncio.gather(first, second)
    assert done == [0, 1]
