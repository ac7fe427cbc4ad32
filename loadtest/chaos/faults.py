"""The list of faults, as data, and which of them this machine can have."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from loadtest.chaos import fault_kinds
from loadtest.chaos.family_roles import BACKEND, FRONTEND, LAUNCHER, SERVING, TRITON, WORKER
from loadtest.chaos.fault_kinds import Doing

LIBRARIES: Final = ("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib64/faketime/libfaketimeMT.so.1")


@dataclass(frozen=True)
class Fault:
    """Something that is done to the service.

    Attributes:
        name: In the report and on the command line.
        do: Does it.
        role: Of the process that it is done to; empty for the service as a whole.
        seconds: How long it lasts.
        needs: "mount" for a small disk of its own, "faketime" for a clock of its own; empty for nothing.
        ends_service: Whether the service is expected to end as a whole, so that whoever started it starts it again.
    """

    name: str
    do: Doing
    role: str = ""
    seconds: float = 10.0
    needs: str = ""
    ends_service: bool = False


def each_process(name: str, do: Doing, seconds: float, *, ends_launcher: bool) -> list[Fault]:
    """One fault for every role."""
    roles = (TRITON, BACKEND, FRONTEND, SERVING, WORKER, LAUNCHER)
    return [
        Fault(f"{name} {role}", do, role, seconds, ends_service=ends_launcher and role == LAUNCHER) for role in roles
    ]


FAULTS: Final = (
    *each_process("kill", fault_kinds.kill, 0, ends_launcher=True),
    *each_process("freeze", fault_kinds.freeze, 60, ends_launcher=False),
    *each_process("starve", fault_kinds.starve, 10, ends_launcher=True),
    Fault("full disk", fault_kinds.fill_data, seconds=15, needs="mount"),
    Fault("full TMPDIR", fault_kinds.fill_temporary, seconds=15, needs="mount"),
    Fault("stuck output", fault_kinds.stuck_output, seconds=60),
    Fault("clock ahead", fault_kinds.jump_ahead, seconds=20, needs="faketime"),
    Fault("clock back", fault_kinds.jump_back, seconds=20, needs="faketime"),
    Fault("idle connections", fault_kinds.idle_connections, seconds=20),
    Fault("hang-ups", fault_kinds.hang_up, seconds=180),
    Fault("flat pictures", fault_kinds.memory_flat, seconds=30),
    Fault("held uploads", fault_kinds.memory_uploads, seconds=30),
)

SHORT: Final = {
    "kill backend process": 0.0,
    "kill tritonserver": 0.0,
    "kill serving process": 0.0,
    "kill jobs worker": 0.0,
    "freeze backend process": 15.0,
    "idle connections": 3.0,
    "hang-ups": 10.0,
}
"""The faults of the short form, and how long each of them lasts in it."""


def missing(fault: Fault, faketime: Path | None) -> str:
    """Why this machine cannot have the fault; empty where it can."""
    if fault.needs == "mount" and (os.geteuid() != 0 or shutil.which("mount") is None):
        return "needs root, for a small disk of its own"
    if fault.needs == "faketime" and faketime is None:
        return "needs faketime (apt install faketime, or --faketime)"
    return ""


def find_faketime() -> Path | None:
    """Where the library is installed."""
    return next((Path(each) for each in LIBRARIES if Path(each).exists()), None)


class SmallDisk:
    """A folder in memory of so many bytes, for the length of the block.

    Args:
        folder: Where; made if it is not there.
        size_bytes: Of it.
    """

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self._folder, self._size_bytes = folder, size_bytes

    def __enter__(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        run = partial(subprocess.run, check=True)
        run(["mount", "-t", "tmpfs", "-o", f"size={self._size_bytes}", "tmpfs", str(self._folder)])
        return self._folder

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", str(self._folder)], check=False)  # noqa: S603, S607 - ours


def named(names: Sequence[str]) -> list[Fault]:
    """The faults whose names begin with one of these; all without any.

    Raises:
        ValueError: None has such a name.
    """
    for name in names:
        if not any(fault.name.startswith(name) for fault in FAULTS):
            raise ValueError(f"no fault is named {name!r}; there are: {', '.join(fault.name for fault in FAULTS)}")
    return [fault for fault in FAULTS if not names or any(fault.name.startswith(name) for name in names)]
