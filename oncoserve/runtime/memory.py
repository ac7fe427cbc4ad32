"""How the C library's allocator keeps memory."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # <malloc.h> of glibc
LARGE_BYTES = 4 * 2**20


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
