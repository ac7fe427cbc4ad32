"""Looks at the service's processes while it is under load."""

import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from loadtest.soak.trends import Sample

STUB = "triton_python_backend_stub"


class Watch:
    """Collects samples of processes.

    Args:
        processes: By the names that the report gives them.
    """

    def __init__(self, processes: Mapping[str, psutil.Process]) -> None:
        self._processes = dict(processes)
        self._started_s = time.monotonic()
        self.samples: list[Sample] = []

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


def service_processes(frontend_pid: int, launcher_pid: int) -> dict[str, psutil.Process]:
    """The frontend with its workers, tritonserver and its backends, by name."""
    frontend = psutil.Process(frontend_pid)
    found = {"frontend": frontend}
    for process in [*frontend.children(recursive=True), *psutil.Process(launcher_pid).children(recursive=True)]:
        name = _name(process)
        found[name if name not in found else f"{name} {process.pid}"] = process
    return found


def _name(process: psutil.Process) -> str:
    """A process's name; for a backend with the model that it runs, whose file is its first argument."""
    if process.name() != STUB:
        return process.name()
    return f"backend of {Path(process.cmdline()[1]).parent.parent.name}"
