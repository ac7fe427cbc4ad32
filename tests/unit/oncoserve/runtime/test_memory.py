"""Memory that goes back to the system when nobody asks for anything."""

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import psutil

from oncoserve.runtime import memory
from oncoserve.runtime.memory import given_back_when_quiet

BUFFER_BYTES, BETWEEN_BYTES, COUNT = 2**20, 2**16, 200
PATIENCE_S = 20


def resident_mib():
    return psutil.Process().memory_info().rss / 2**20


def leave_holes():
    """Buffers that are freed, and between each two of them something small that is not."""
    buffers, kept = [], []
    for _ in range(COUNT):
        buffers.append(b"x" * BUFFER_BYTES)
        kept.append(b"x" * BETWEEN_BYTES)
    del buffers
    return kept


async def measured():
    """MiB above the start while somebody is asking; ends when most of them have been given back."""
    memory.LOOK_S = 0.02
    memory.return_large_buffers()
    used, before = 1, resident_mib()
    async with given_back_when_quiet(lambda: used):
        kept = leave_holes()
        await asyncio.sleep(0.2)
        asking = resident_mib() - before
        used = 0
        async with asyncio.timeout(PATIENCE_S):
            while resident_mib() > before + 0.2 * COUNT:
                await asyncio.sleep(0.02)
        del kept
    return asking


def run():
    return asyncio.run(measured())


def test_holes_are_given_back_when_it_has_been_quiet_and_not_before():
    """In a process of its own, whose memory has no holes yet."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(run).result() > 0.8 * COUNT
