"""Takes expired results off the disk now and then, in one process of all that share the folder."""

import asyncio
import contextlib
import fcntl
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

from oncoserve.results.store import ResultStore
from oncoserve.runtime.threads import CpuThreads

LOCK = ".sweeper"
SWEEPS_PER_LIFE, LONGEST_PAUSE_S = 24, 3600.0

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def sweeping(store: ResultStore, threads: CpuThreads) -> AsyncIterator[None]:
    """Sweep `store` for the length of the block, if results expire at all.

    Of several processes the one that holds a lock on the folder sweeps; when it ends, another takes over.

    Args:
        store: the results.
        threads: where the sweeping is done, a shard at a time, so that requests come in between.
    """
    if not store.ttl_s:
        yield
        return
    with contextlib.ExitStack() as held:
        task = asyncio.create_task(_sweep_for_ever(store, threads, held))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _sweep_for_ever(store: ResultStore, threads: CpuThreads, held: contextlib.ExitStack) -> None:
    lock: IO[str] | None = None
    while True:
        try:
            if lock is None and (lock := _lock(store.folder)):
                held.enter_context(lock)
            if lock is not None:
                await sweep(store, threads)
        except OSError:
            log.exception("expired results could not be removed")  # the next sweep may succeed
        await asyncio.sleep(min(store.ttl_s / SWEEPS_PER_LIFE, LONGEST_PAUSE_S))


async def sweep(store: ResultStore, threads: CpuThreads) -> None:
    """Remove what has expired.

    Raises:
        OSError: the folder cannot be read or changed.
    """
    removed = 0
    for shard in await threads.run(lambda: list(store.shards())):
        removed += await threads.run(store.sweep, shard)
    if removed:
        log.info("expired results removed", extra={"count": removed})


def _lock(folder: Path) -> IO[str] | None:
    """The lock, held until the file is closed or the process ends; None while another has it or nothing is stored."""
    if not folder.is_dir():
        return None
    file = (folder / LOCK).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
