import asyncio

import numpy as np
import pytest

from oncoserve.results.viewing.cache import PyramidCache
from oncoserve.results.viewing.levels import Levels
from oncoserve.results.viewing.pyramid import Pyramid

SIDE = 100
BYTES = SIDE * SIDE


def pyramid():
    return Pyramid(np.zeros((SIDE, SIDE), np.uint8), Levels(SIDE, SIDE))


class Maker:
    def __init__(self):
        self.made = []

    def __call__(self, key):
        async def make():
            self.made.append(key)
            await asyncio.sleep(0)
            return pyramid()

        return make


async def test_what_was_used_longest_ago_leaves_first():
    cache, make = PyramidCache(2 * BYTES), Maker()
    for key in "ab":
        await cache.get(key, make(key))
    await cache.get("a", make("a"))
    await cache.get("c", make("c"))
    assert cache.nbytes == 2 * BYTES
    await cache.get("a", make("a"))
    assert make.made == ["a", "b", "c"]
    await cache.get("b", make("b"))
    assert make.made == ["a", "b", "c", "b"]


async def test_one_that_is_too_large_stays_alone():
    cache, make = PyramidCache(0), Maker()
    for key in "aab":
        await cache.get(key, make(key))
    assert make.made == ["a", "b"]
    assert cache.nbytes == BYTES


async def test_those_who_ask_together_wait_for_one():
    cache, make = PyramidCache(BYTES), Maker()
    found = await asyncio.gather(*(cache.get("a", make("a")) for _ in range(5)))
    assert make.made == ["a"]
    assert len({id(each) for each in found}) == 1


async def test_one_who_hangs_up_takes_nothing_from_the_others():
    cache, make = PyramidCache(BYTES), Maker()
    first = asyncio.create_task(cache.get("a", make("a")))
    second = asyncio.create_task(cache.get("a", make("a")))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).nbytes == BYTES
    assert make.made == ["a"]


async def test_a_failure_is_told_and_tried_again():
    cache, make = PyramidCache(BYTES), Maker()

    async def fail():
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await cache.get("a", fail)
    assert (await cache.get("a", make("a"))).nbytes == BYTES


async def test_what_nobody_asks_for_leaves_the_memory():
    cache, make = PyramidCache(BYTES, idle_s=0.05), Maker()
    await cache.get("a", make("a"))
    assert cache.nbytes == BYTES
    async with asyncio.timeout(60):
        while cache.nbytes:
            await asyncio.sleep(0.01)


async def test_dropped_is_gone():
    cache, make = PyramidCache(BYTES), Maker()
    await cache.get("a", make("a"))
    cache.drop("a")
    cache.drop("never there")
    assert cache.nbytes == 0
