"""A process and everything it started: its processor time and its memory."""

import contextlib
import math
import threading
from pathlib import Path
from typing import Final, Self

import psutil

_SAMPLE_S: Final = 1.0


class Family:
    """The processor time and memory of a process with its children, their children and so on.

    Args:
        pid: The process at the top.
    """

    def __init__(self, pid: int) -> None:
        self._top = psutil.Process(pid)

    def members(self) -> list[psutil.Process]:
        """All of them that are alive at this moment."""
        return [self._top, *self._top.children(recursive=True)]

    def cpu_s(self) -> float:
        """Processor seconds so far, user and system; children that ended and were waited for are part of it."""
        total = 0.0
        for process in self.members():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:4])
        return total

    def memory_mib(self) -> float:
        """Sum of the proportional set sizes (PSS) in MiB: pages that several of them share count once."""
        total = 0
        for process in self.members():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_full_info().pss
        return total / 2**20


class MemoryWatch:
    """Looks at a family's memory every second for the length of a block, in a thread.

    Args:
        family: Whose memory; None watches nothing.

    Attributes:
        peak_mib: The most that was seen; NaN for None.
    """

    def __init__(self, family: Family | None) -> None:
        self.peak_mib = math.nan if family is None else 0.0
        self._family = family
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while self._family is not None:
            self.peak_mib = max(self.peak_mib, self._family.memory_mib())
            if self._over.wait(_SAMPLE_S):
                return


def resident_mib(pid: int) -> float:
    """Resident memory of one process at this moment, in MiB."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def peak_mib(pid: int) -> float:
    """The most resident memory that a process ever had, in MiB, by the kernel's account (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
