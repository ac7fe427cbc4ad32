"""How many images one worker does: real jobs, the real worker, the real Triton."""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from loadtest.pictures import Pictures
from testbed.servers import PROJECT, FrontendServer, TritonServer

LONGEST_S = 540
SIDE = 1024  # pixels: the images have one megapixel


@dataclass(frozen=True)
class Measured:
    """What was seen.

    Args:
        images: that were counted.
        seconds: of wall clock.
        cpu_s: of the worker and Triton together, user and system.
    """

    images: int
    seconds: float
    cpu_s: float

    def per_hour(self) -> float:
        """Images an hour by the clock; what neighbours on the machine take is missing."""
        return self.images / self.seconds * 3600

    def per_hour_of(self, cores: int) -> float:
        """Images an hour if so many cores did nothing else."""
        return cores / (self.cpu_s / self.images) * 3600


def measure(model: str, task: str, parameters: dict[str, str], count: int, in_flight: int) -> Measured:
    """Hand in one-megapixel images, none like another, start a worker, and watch it.

    Args:
        model: by name.
        task: the kind of model, which decides what the images look like.
        parameters: of the task.
        count: images, of which the first and the last `in_flight` are not counted.
        in_flight: images that the worker has under way at once.
    """
    pictures = Pictures(0, task, sides=[SIDE])
    with (
        tempfile.TemporaryDirectory(prefix="oncoserve-scale-") as name,
        TritonServer(PROJECT / "model_repository", Path(name)) as triton,
        FrontendServer(triton.grpc_url, Path(name), results_dir=Path(name) / "results", job_workers=0) as frontend,
        httpx.Client(base_url=frontend.url, timeout=120) as http,
    ):
        images = [("images", (f"{number}", pictures.next().data)) for number in range(count)]
        answer = http.post("/v1/jobs", data={"model": model, **parameters}, files=images).raise_for_status()
        env = frontend.env | {"ONCO_JOB_IMAGES_IN_FLIGHT": str(in_flight)}
        command = [sys.executable, "-m", "oncoserve", "worker"]
        with subprocess.Popen(command, cwd=PROJECT, env=env, stderr=subprocess.DEVNULL) as worker:  # noqa: S603 - our own
            try:
                return _watch(http, answer.headers["location"], [triton.pid, worker.pid], in_flight)
            finally:
                worker.terminate()


def _watch(http: httpx.Client, job: str, pids: list[int], in_flight: int) -> Measured:
    """Count from one moment with `in_flight` images half done to another."""
    begun: tuple[int, float, float] | None = None
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        progress = http.get(job).raise_for_status().json()["progress"]
        now, cpu_s = time.monotonic(), sum(map(_cpu_s, pids))
        if progress["failed"]:
            raise SystemExit(f"{progress['failed']} images failed")
        if begun is None and progress["succeeded"] >= in_flight:
            begun = (progress["succeeded"], now, cpu_s)
        if begun is not None and progress["succeeded"] >= progress["total"] - in_flight:
            return Measured(progress["succeeded"] - begun[0], now - begun[1], cpu_s - begun[2])
        time.sleep(0.1)
    raise SystemExit(f"not done after {LONGEST_S} s")


def _cpu_s(pid: int) -> float:
    """User and system seconds of a process and all below it."""
    process = psutil.Process(pid)
    times = [each.cpu_times() for each in [process, *process.children(recursive=True)]]
    return sum(each.user + each.system for each in times)
