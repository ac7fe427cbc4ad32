"""Which process of the service is which, by what it was started as."""

import contextlib
import os
from pathlib import Path
from typing import Final

import psutil

STUB: Final = "triton_python_backend_stub"

LAUNCHER, TRITON, BACKEND = "launcher", "tritonserver", "backend process"
FRONTEND, SERVING, WORKER = "frontend", "serving process", "jobs worker"
ROLES: Final = (TRITON, BACKEND, FRONTEND, SERVING, WORKER, LAUNCHER)


def role(process: psutil.Process) -> str:
    """The role of a process of the service; empty for a helper such as multiprocessing's resource tracker.

    Raises:
        psutil.Error: It has gone, or is going.
    """
    if process.name() == "tritonserver":
        return TRITON
    words = process.cmdline()
    if words and Path(words[0]).name == STUB:
        return BACKEND
    for told, meant in (
        (("inference_server",), LAUNCHER),
        (("frontend",), FRONTEND),
        (("frontend.serving",), SERVING),
        (("frontend.working",), WORKER),
        (("oncoserve", "worker"), WORKER),
    ):
        if "-m" in words and tuple(words[words.index("-m") + 1 :][: len(told)]) == told:
            return meant
    return SERVING if any("spawn_main" in word for word in words) else ""


def by_role(top: int) -> dict[str, list[psutil.Process]]:
    """The living processes of the family of `top`, its first process included, by their roles."""
    found: dict[str, list[psutil.Process]] = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(top)
        for process in [first, *first.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and (name := role(process)):
                    found.setdefault(name, []).append(process)
    return found


def open_files(process: psutil.Process) -> int:
    """Descriptors that a process holds; 0 when it has gone."""
    try:
        return len(os.listdir(f"/proc/{process.pid}/fd"))  # noqa: PTH208 - a process may end meanwhile
    except OSError:
        return 0
