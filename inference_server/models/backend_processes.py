"""The processes in which Triton's Python backend runs models, as the kernel tells of them."""

import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

STUB = "triton_python_backend_stub"
MOST_COMM = 15  # characters of a command's name that the kernel keeps
# Counted from the field after the command's name in /proc/<pid>/stat.
_STATE, _STARTED, _EXIT_STATUS = 0, 19, 49


class Life(Enum):
    """What a process does."""

    RUNS = "runs"
    STOPPED = "stopped"
    ENDED = "ended"


@dataclass(frozen=True)
class BackendProcess:
    """One of them.

    Attributes:
        pid: Its process id.
        started: When it began, in ticks since the machine did: tells it from a later process of the same id.
    """

    pid: int
    started: str

    def life(self) -> Life:
        """What it does at this moment."""
        fields = _stat(self.pid)
        if fields is None or fields[_STARTED] != self.started or fields[_STATE] in "ZX":
            return Life.ENDED
        return Life.STOPPED if fields[_STATE] == "T" else Life.RUNS

    def last_words(self) -> str:
        """How it ended, in words. Triton leaves it as a zombie, so that the kernel still knows."""
        fields = _stat(self.pid)
        status = int(fields[_EXIT_STATUS]) if fields is not None and fields[_STARTED] == self.started else 0
        if os.WIFSIGNALED(status):
            return f"it was ended by {signal.Signals(os.WTERMSIG(status)).name}"
        return f"it ended with exit code {os.WEXITSTATUS(status)}"

    def kill(self) -> None:
        """End it, whatever it does."""
        if self.life() is not Life.ENDED:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def of_model(triton_pid: int, folder: Path) -> Sequence[BackendProcess]:
    """Those that run a model: one for each of its instances; none for a model on another kind of backend.

    Args:
        triton_pid: Their parent.
        folder: The model's, as an absolute path.
    """
    found = []
    for pid in _children(triton_pid):
        with contextlib.suppress(OSError):  # it has just ended
            argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            fields = _stat(pid)
            runs = Path(os.fsdecode(argv[0])).name == STUB and Path(os.fsdecode(argv[1])).is_relative_to(folder)
            if runs and fields is not None and fields[_STATE] not in "ZX":
                found.append(BackendProcess(pid, fields[_STARTED]))
    return found


def reap_orphans() -> None:
    """Let go of those whose Triton was killed, where they became this process's children.

    The first process of a container inherits what others leave behind, and Kubernetes puts no init before it.
    """
    for pid in _children(os.getpid()):
        with contextlib.suppress(OSError):  # it has just ended
            if Path(f"/proc/{pid}/comm").read_text().strip() == STUB[:MOST_COMM]:
                os.waitpid(pid, os.WNOHANG)


def _children(pid: int) -> list[int]:
    """A process's children; each thread has its own."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += map(int, (task / "children").read_text().split())
    return found


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat after the command's name, None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
