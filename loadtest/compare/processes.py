"""A process and everything it started: its end, its processor time and its memory."""

import contextlib
import math
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

from testbed.servers import Server

_SAMPLE_S = 1.0
_STOP_S = 15.0


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


class Peer(Server):
    """A server of somebody else: in a session of its own, which ends as a whole, however its workers were started."""

    def __init__(self, argv: Sequence[str], ready_url: str, env: Mapping[str, str], folder: Path) -> None:
        super().__init__(argv, ready_url, dict(env), folder / "peer.log")
        self._folder = folder

    def start(self) -> None:
        """Start it and return at once."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - a peer of this project
                self.argv, cwd=self._folder, env=self.env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def stop(self, signum: int = signal.SIGTERM, timeout_s: float = _STOP_S) -> int:
        """Ask it to end, and after `timeout_s` seconds kill what is left of it."""
        assert self.process is not None, "not started"  # noqa: S101 - as in Server
        members = Family(self.pid).members() if self.process.poll() is None else []
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signum)
        _, alive = psutil.wait_procs(members, timeout_s)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return self.process.wait()
