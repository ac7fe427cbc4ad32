"""Looks at the service's processes while it is under load."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from loadtest.chaos.family_roles import BACKEND, by_role, role
from loadtest.soak.trends import Sample


class Watch:
    """Collects samples of processes.

    Args:
        processes: Gives those of the service by the names that the report gives them.
    """

    def __init__(self, processes: Callable[[], Mapping[str, psutil.Process]]) -> None:
        self._find = processes
        self._processes = dict(processes())
        self._started_s = time.monotonic()
        self.samples: list[Sample] = []

    def follow(self) -> None:
        """Take over what has come in the place of what has ended."""
        self._processes = dict(self._find())

    def look(self) -> list[str]:
        """Take a sample of every process.

        Returns:
            The names of those that have ended since the last look.
        """
        at_s = time.monotonic() - self._started_s
        ended = []
        for name, process in list(self._processes.items()):
            try:
                rss_mib, files = process.memory_info().rss / 2**20, process.num_fds()
            except psutil.NoSuchProcess:
                del self._processes[name]
                ended.append(name)
            else:
                self.samples.append(Sample(at_s, name, rss_mib, files))
        return ended


def service_processes(*pids: int) -> dict[str, psutil.Process]:
    """The families of these processes, by what each of them is."""
    found: dict[str, psutil.Process] = {}
    for process in (each for pid in pids for found_processes in by_role(pid).values() for each in found_processes):
        name = _name(process)
        found[name if name not in found else f"{name} {process.pid}"] = process
    return found


def _name(process: psutil.Process) -> str:
    """A process's role; for a backend process with the model and version that it runs, as its first argument says."""
    if role(process) != BACKEND:
        return role(process)
    version = Path(process.cmdline()[1]).parent
    return f"backend of {version.parent.name} {version.name}"
