"""How the C library treats memory that is freed while a network is trained."""

import ctypes
from typing import Final

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # <malloc.h> of glibc
MOST: Final = 2**31 - 1


def keep_freed_memory() -> None:
    """Keep what is freed for the next step, instead of giving it back and having it zeroed again.

    A step's tensors are megabytes each and come and go hundreds of times a second: that cost a quarter of its time.
    Does nothing with another C library.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, MOST)
