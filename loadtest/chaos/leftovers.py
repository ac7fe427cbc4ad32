"""What a service at rest holds: descriptors, memory, requests under way. After a fault it has to be what it was."""

import contextlib
import re
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import psutil

from loadtest.chaos.family_roles import SERVING, by_role, open_files
from loadtest.chaos.whole_service import MODELS, HurtService
from oncoserve.runtime.sharing import FOLDER_VARIABLE

SPARE_FILES: Final = 12  # of a role: connections to Triton, temporary files that come and go
SPARE_MIB: Final = 150.0  # of the whole service: buffers and threads are made when they are first needed
UNDER_WAY: Final = re.compile(r"(?m)^(oncoserve_in_flight|nv_inference_pending_request_count\{[^}]*\}) ([0-9.e+]+)$")
PAUSE_S: Final = 0.5


@dataclass(frozen=True)
class Holdings:
    """What the service holds at one moment.

    Attributes:
        files: Open descriptors by role, of the process that has most.
        mib: Proportional set size of all processes.
        under_way: The gauges of requests under way, and the places and bytes that are taken of the limits that the
            processes share, by name.
    """

    files: Mapping[str, int]
    mib: float
    under_way: Mapping[str, float]

    @classmethod
    def of(cls, service: HurtService) -> "Holdings":
        """Look."""
        roles = by_role(service.pid)
        files = {role: max(open_files(process) for process in found) for role, found in roles.items()}
        memory = sum(_pss_mib(process) for found in roles.values() for process in found)
        text = "".join(_get(url) for url in (f"{service.url}/metrics", _triton_metrics(service)))
        gauges = {name: float(value) for name, value in UNDER_WAY.findall(text)}
        return cls(files, memory, gauges | _taken(roles.get(SERVING, [])))

    @property
    def whole(self) -> bool:
        """Whether all could be read: at rest nothing else says that nothing is left."""
        return all(
            any(part in name for name in self.under_way) for part in ("oncoserve_in_flight", "nv_inference", *MODELS)
        )

    def left(self, before: "Holdings") -> list[str]:
        """What is held that was not held before, in words."""
        found = [
            f"{role}: {count} open files, {before.files[role]} before"
            for role, count in self.files.items()
            if role in before.files and count > before.files[role] + SPARE_FILES
        ]
        found += [
            f"{name} is {value:g}, {before.under_way.get(name, 0):g} before"
            for name, value in self.under_way.items()
            if value > before.under_way.get(name, 0)
        ]
        if self.mib > before.mib + SPARE_MIB:
            found.append(f"{self.mib:.0f} MiB, {before.mib:.0f} before")
        return found


def left_after(service: HurtService, before: Holdings, within_s: float) -> list[str]:
    """What is still held when there has been time to let it go."""
    deadline = time.monotonic() + within_s
    while (left := Holdings.of(service).left(before)) and time.monotonic() < deadline:
        time.sleep(PAUSE_S)
    return left


def _pss_mib(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 2**20
    except psutil.Error:
        return 0.0


def _taken(serving: Sequence[psutil.Process]) -> dict[str, float]:
    """What the processes count together: places by model, bytes of bodies, pictures and drawings."""
    for process in serving:
        with contextlib.suppress(psutil.Error, KeyError):
            folder = Path(process.environ()[FOLDER_VARIABLE])
            return {path.stem: float(np.fromfile(path, np.int64).sum()) for path in folder.glob("*.counts")}
    return {}


def _triton_metrics(service: HurtService) -> str:
    return f"http://127.0.0.1:{service.metrics_port}/metrics"


def _get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - http, written above
            return str(answer.read().decode())
    except OSError:
        return ""
