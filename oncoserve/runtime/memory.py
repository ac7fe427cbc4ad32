"""How the C library's allocator keeps memory, and gives it back."""

import asyncio
import contextlib
import ctypes
from collections.abc import AsyncIterator, Callable
from typing import Final

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # <malloc.h> of glibc
LARGE_BYTES = 4 * 2**20
LOOK_S: Final = 1.0
QUIET_LOOKS: Final = 3  # in a row, before memory is given back: that takes a moment


def return_large_buffers() -> None:
    """Give buffers of megapixels back to the system as soon as they are free.

    glibc raises its threshold for doing so with each large buffer that it has seen, up to 32 MiB; afterwards pictures
    leave holes between small objects, and the process stays 100 MiB larger than it has to be. Does nothing with
    another C library.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(M_TRIM_THRESHOLD, 2 * LARGE_BYTES)


@contextlib.asynccontextmanager
async def given_back_when_quiet(used_bytes: Callable[[], int]) -> AsyncIterator[None]:
    """For the length of the block, give the holes between small objects back after each time of work.

    Buffers below `LARGE_BYTES` leave such holes: 200 callers at once, some tens of MiB in each process for good.

    Args:
        used_bytes: what requests hold at this moment.
    """
    giving = asyncio.create_task(_give_back(used_bytes))
    try:
        yield
    finally:
        giving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await giving


async def _give_back(used_bytes: Callable[[], int]) -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    quiet = QUIET_LOOKS  # so nothing is to be given back at first
    while trim is not None:
        await asyncio.sleep(LOOK_S)
        quiet = 0 if used_bytes() else quiet + 1
        if quiet == QUIET_LOOKS:
            await asyncio.to_thread(trim, 0)
