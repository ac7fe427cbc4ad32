"""What a service at rest holds: descriptors, memory, requests under way. After a fault it has to be what it was."""

import re
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import psutil

from loadtest.chaos.family_roles import by_role, open_files
from loadtest.chaos.whole_service import HurtService

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
        under_way: The gauges of requests under way, by name.
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
        return cls(files, memory, {name: float(value) for name, value in UNDER_WAY.findall(text)})

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


def _triton_metrics(service: HurtService) -> str:
    return f"http://127.0.0.1:{service.metrics_port}/metrics"


def _get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - http, written above
            return str(answer.read().decode())
    except OSError:
        return ""
