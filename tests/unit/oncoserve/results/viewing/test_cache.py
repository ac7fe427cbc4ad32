import asyncio
import multiprocessing
import os
import signal
import time

import numpy as np
import pytest

from oncoserve.results.viewing.cache import PyramidCache
from oncoserve.results.viewing.levels import Levels
from oncoserve.results.viewing.pyramid_files import HEADER, PyramidFiles

SIDE = 100
BYTES = HEADER.size + SIDE * SIDE
LEVELS = Levels(SIDE, SIDE)
BOX = (0, 0, SIDE, SIDE)


class Cache(PyramidCache):
    """Pyramids of one grey each, and which of them were made."""

    def __init__(self, folder, count, **how):
        super().__init__(PyramidFiles(folder, count * BYTES), **how)
        self.made = []

    async def ask(self, key, grey=7):
        async def make():
            self.made.append(key)
            await asyncio.sleep(0)
            return self.files.make(key, LEVELS, np.full((SIDE, SIDE), grey, np.uint8))

        return (await self.get(key, LEVELS, make)).tile(0, BOX).getextrema()[0]


@pytest.fixture(params=["shared", "alone"])
def folder(request, tmp_path):
    return tmp_path if request.param == "shared" else None


def later(cache, seconds):
    """Makes all that is kept look older."""
    for used, _, path in cache.files._found():
        os.utime(path, (used - seconds, used - seconds))


async def test_what_was_used_longest_ago_leaves_first(folder):
    cache = Cache(folder, 2)
    for key in "ab":
        await cache.ask(key)
        later(cache, 10)
    await cache.ask("a")
    later(cache, 10)
    await cache.ask("c")
    assert cache.files.nbytes == 2 * BYTES
    await cache.ask("a")
    assert cache.made == ["a", "b", "c"]
    await cache.ask("b")
    assert cache.made == ["a", "b", "c", "b"]


async def test_one_that_is_too_large_stays_alone(folder):
    cache = Cache(folder, 0)
    for key in "aab":
        await cache.ask(key)
    assert cache.made == ["a", "b"]
    assert cache.files.nbytes == BYTES


async def test_those_who_ask_together_wait_for_one(folder):
    cache = Cache(folder, 1)
    assert await asyncio.gather(*(cache.ask("a") for _ in range(5))) == [7] * 5
    assert cache.made == ["a"]


async def test_processes_that_ask_together_wait_for_one(tmp_path):
    caches = [Cache(tmp_path, 1) for _ in range(4)]  # a lock is of an open file, so they are as strange to each other
    assert await asyncio.gather(*(each.ask("a", grey) for grey, each in enumerate(caches, 1))) == [1] * 4
    assert [key for each in caches for key in each.made] == ["a"]
    caches[1].drop("a")
    assert await caches[0].ask("a", 9) == 9


async def test_one_who_hangs_up_takes_nothing_from_the_others(folder):
    cache = Cache(folder, 1)
    first, second = (asyncio.create_task(cache.ask("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 7
    assert cache.made == ["a"]


async def test_a_failure_is_told_and_tried_again(folder):
    cache = Cache(folder, 1)

    async def fail():
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await cache.get("a", LEVELS, fail)
    assert await cache.ask("a") == 7


async def test_what_nobody_asks_for_leaves_the_memory(folder):
    cache = Cache(folder, 1, idle_s=0.05)
    await cache.ask("a")
    assert cache.files.nbytes == BYTES
    async with asyncio.timeout(60):
        while cache.files.nbytes:
            await asyncio.sleep(0.01)


async def test_dropped_is_gone(folder):
    cache = Cache(folder, 1)
    await cache.ask("a")
    cache.drop("a")
    cache.drop("never there")
    assert cache.files.nbytes == 0


async def test_a_tile_is_cut_of_what_was_removed_meanwhile(tmp_path):
    cache = Cache(tmp_path, 1)
    await cache.ask("a")
    pyramid = cache.files.open("a", LEVELS)
    cache.drop("a")
    assert pyramid.tile(0, BOX).getextrema() == (7, 7)


async def test_without_room_in_memory_the_picture_is_looked_at_all_the_same(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    cache = Cache(tmp_path, 1)
    assert await cache.ask("a") == 7
    assert cache.files.nbytes == 0
    assert [*tmp_path.rglob("*.pyramid")] == []


def hold(folder):
    with PyramidFiles(folder, BYTES).lock("a") as alone:
        assert alone
        (folder / "held").touch()
        time.sleep(600)


async def test_a_process_that_is_killed_while_it_makes_one_holds_up_nobody(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(tmp_path,))
    process.start()
    async with asyncio.timeout(60):
        while not (tmp_path / "held").exists():
            await asyncio.sleep(0.01)
    asked = asyncio.create_task(Cache(tmp_path, 1).ask("a"))
    await asyncio.sleep(0.1)
    assert not asked.done()
    os.kill(process.pid, signal.SIGKILL)
    assert await asyncio.wait_for(asked, 60) == 7
    process.join()
