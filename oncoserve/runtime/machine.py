"""How much of a machine a process may have, where a container or a service manager gives it a part."""

import contextlib
import os
from pathlib import Path
from typing import Final

MOST: Final = 4
"""Processes of a frontend that are started unasked: with more of them Triton has the cores."""

BYTES_OF_A_PROCESS: Final = 3 * 2**29
"""What there has to be for each: with the defaults two fit into 3 GiB, whatever callers send (docs/reliability.md)."""

CONTROL_GROUP: Final = Path("/sys/fs/cgroup")


def cores(group: Path = CONTROL_GROUP) -> float:
    """Processor cores, parts of one included.

    Args:
        group: of the kernel's files about this process's control group, version 2.
    """
    allowed = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    with contextlib.suppress(OSError, ValueError):
        quota, period = (group / "cpu.max").read_text().split()
        return min(allowed, int(quota) / int(period))
    return allowed


def memory_bytes(group: Path = CONTROL_GROUP) -> int:
    """Memory, in bytes; see `cores`."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        return min(total, int((group / "memory.max").read_text()))
    return total


def processes(group: Path = CONTROL_GROUP) -> int:
    """How many processes answer callers best: one for each core, at most `MOST`, and fewer where memory is short."""
    return max(1, min(round(cores(group)), MOST, memory_bytes(group) // BYTES_OF_A_PROCESS))
