"""What is removed of the results, wherever they are kept, and by whom."""

import pytest

from oncoserve.runtime.threads import CpuThreads
from tests.contract.results.test_result_store import ID, appended, named

LIFE_S = 10_000
IDS = [f"{number:02x}" * 16 for number in range(6)]


@pytest.fixture
def threads():
    pool = CpuThreads(2)
    yield pool
    pool.close()


async def nothing():
    return ()


def left(kept_in):
    """What is there, without reading it: that would be a use."""
    return [result for result in (ID, *IDS) if any(result in name for name in kept_in.names())]


async def test_what_expired_of_every_owner_goes_and_nothing_else(kept_in, threads):
    store = kept_in.store(LIFE_S)
    owners = (store, store.of("ward"), store.of("lab"))
    for each in owners:
        each.save(IDS[0], named(IDS[0]), {})
        each.add_notes(IDS[0], appended("a"))
    kept_in.age(IDS[0], LIFE_S + 100)
    for each in owners[:2]:
        each.save(IDS[1], named(IDS[1]), {})
        each.add_notes(IDS[1], appended("a"))
    await kept_in.sweeper(store, 0, nothing).sweep(threads)
    assert len(kept_in.names()) == 4
    assert [each.find(IDS[1]) is not None for each in owners] == [True, True, False]


async def test_the_oldest_make_room_but_not_what_is_new_or_of_a_running_job(kept_in, threads):
    store = kept_in.store()
    for number, result in enumerate(IDS):
        store.save(result, named(result), {"picture": bytes(1000)})
        kept_in.age(result, 1000 * (5 - number))
    size = store.read(IDS[0]).file_bytes

    async def in_use():
        return {IDS[0]}

    await kept_in.sweeper(store, 3 * size, in_use).sweep(threads)
    assert left(kept_in) == [IDS[0], IDS[4], IDS[5]]
    await kept_in.sweeper(store, 1, in_use).sweep(threads)
    assert left(kept_in) == [IDS[0], IDS[5]]


async def test_all_in_use_is_told_once(kept_in, threads, caplog):
    store = kept_in.store()
    store.save(ID, named(), {})
    full = kept_in.sweeper(store, 1, nothing)
    for _ in range(2):
        await full.sweep(threads)
    assert [record.limit for record in caplog.records] == [1]
    assert left(kept_in) == [ID]


async def test_one_of_several_sweeps(kept_in):
    first, second = (kept_in.sweeper(kept_in.store(LIFE_S), 0, nothing) for _ in range(2))
    kept_in.store().save(ID, named(), {})
    assert [first.take(), second.take(), first.take(), second.take()] == [True, False, True, False]
    first.close()
    kept_in.pass_time(1000)
    assert second.take()
    second.close()
