"""`python -m loadtest.overload`: more requests than the model can answer, and background work beside interactive.

1. Capacity: as many callers as are let in, each asking again after its answer.
2. Fixed rates, from half of the capacity to three times as much, in interleaved rounds: what is answered in time, how
   quickly the rest is refused, and the memory of both processes.
3. One caller with pauses, alone and while background callers saturate the model.

The model is a timed one, unless another is named: it takes 0.1 s a picture by the clock, in batches of up to 8, so that
the figures are those of the frontend and of Triton and not of what else the machine does.

Starts its own Triton and frontend on free ports of 127.0.0.1, and ends by itself.
"""

import argparse
import asyncio
import math
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Final

import httpx
import psutil

from loadtest.shared.process_family import resident_mib
from testbed.http_callers import Callers, Reply
from testbed.servers import PROJECT, FrontendServer, TritonServer
from testbed.timed_model import write_sleeper

MULTIPLES: Final = (0.5, 1.0, 1.5, 2.0, 3.0)
TIMED: Final = "timed"
TIMED_S: Final = 0.1
TIMED_BATCH: Final = 8
SIZE: Final = 64  # pixels; small, since the callers share the cores with what they measure
BACKGROUND: Final = MappingProxyType({"Priority": "u=7"})
PAUSE_S: Final = 0.5


@dataclass(frozen=True)
class AtRate:
    """One fixed rate, as measured; rates are per second, times in seconds unless their name says milliseconds."""

    multiple: float
    offered: float
    goodput: float
    accepted_p50: float
    accepted_p99: float
    refused: int
    refused_p99_ms: float
    refused_max_ms: float
    wrong: int
    """Answers other than 200, and 503 with Retry-After."""
    frontend_mib: int
    triton_mib: int


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(prog="python -m loadtest.overload", description=__doc__.splitlines()[0])
    arguments.add_argument("--model", default=TIMED, help="a classifier of the project's repository")
    arguments.add_argument("--seconds", type=float, default=20, help="length of one load")
    arguments.add_argument("--rounds", type=int, default=2, help="interleaved rounds over the rates")
    given = arguments.parse_args()
    print(f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}, model {given.model}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repository = PROJECT / "model_repository"
        if given.model == TIMED:
            repository = folder / "repository"
            write_sleeper(repository, TIMED, TIMED_S, max_batch_size=TIMED_BATCH)
        values = {"model_repository": repository, "results_dir": folder / "results"}
        with TritonServer(repository, folder) as triton, FrontendServer(triton.grpc_url, folder, **values) as frontend:
            asyncio.run(measure(frontend, triton, given.model, given.seconds, given.rounds))
    return 0


async def measure(frontend: FrontendServer, triton: TritonServer, model: str, seconds: float, rounds: int) -> None:
    """All of the measurements; they print what they find."""
    async with httpx.AsyncClient(base_url=frontend.url) as http:
        served = (await http.get(f"/v1/models/{model}")).raise_for_status().json()
    batch = served["configuration"]["max_batch_size"]
    capacity = await saturate(frontend.url, model, 4 * max(1, batch), seconds)
    if not capacity:
        sys.exit(f"fewer than two answers within {seconds:g} s: give it more with --seconds")
    print(f"capacity, {4 * max(1, batch)} callers in turn: {capacity:.2f} answers/s\n")
    loads = [
        await at_rate(frontend, triton, model, multiple, capacity, seconds)
        for _ in range(rounds)
        for multiple in MULTIPLES
    ]
    report(loads)
    await lanes(frontend.url, model, batch, capacity, seconds)


async def saturate(url: str, model: str, count: int, seconds: float) -> float:
    """The answers per second that so many callers get."""
    async with Callers(url, model, SIZE) as callers:
        stop = asyncio.Event()
        asking = [asyncio.create_task(callers.keep_asking(stop)) for _ in range(count)]
        await asyncio.sleep(seconds)
        stop.set()
        await asyncio.gather(*asking)
    return rate_of(callers.with_status(HTTPStatus.OK))


async def at_rate(
    frontend: FrontendServer, triton: TritonServer, model: str, multiple: float, capacity: float, seconds: float
) -> AtRate:
    """Offer a multiple of the capacity."""
    async with Callers(frontend.url, model, SIZE) as callers:
        began = time.monotonic()
        await callers.arrive(multiple * capacity, seconds)
    ok, refused = callers.with_status(HTTPStatus.OK), callers.with_status(HTTPStatus.SERVICE_UNAVAILABLE)
    took_ms = [each.seconds * 1e3 for each in refused]
    return AtRate(
        multiple=multiple,
        offered=multiple * capacity,
        goodput=rate_of([each for each in ok if each.ended <= began + seconds]),  # afterwards the queue drains
        accepted_p50=percentile(seconds_of(ok), 50),
        accepted_p99=percentile(seconds_of(ok), 99),
        refused=len(refused),
        refused_p99_ms=percentile(took_ms, 99),
        refused_max_ms=max(took_ms, default=0),
        wrong=len(callers.answers) - len(ok) - sum(each.retry_after is not None for each in refused),
        frontend_mib=round(resident_mib(frontend.serving_pid)),
        triton_mib=round(sum(resident_mib(process.pid) for process in triton.family())),
    )


def report(loads: Sequence[AtRate]) -> None:
    """Print every load, and the median over the rounds of each goodput against the peak's."""
    print("   x  offered/s  goodput/s  p50 s  p99 s  refused  p99 ms  max ms  wrong  frontend MiB  Triton MiB")
    for each in loads:
        print(
            f"{each.multiple:4.1f}  {each.offered:9.2f}  {each.goodput:9.2f}  {each.accepted_p50:5.2f}  "
            f"{each.accepted_p99:5.2f}  {each.refused:7d}  {each.refused_p99_ms:6.1f}  {each.refused_max_ms:6.1f}  "
            f"{each.wrong:5d}  {each.frontend_mib:12d}  {each.triton_mib:10d}"
        )
    medians = {
        multiple: statistics.median(each.goodput for each in loads if each.multiple == multiple)
        for multiple in MULTIPLES
    }
    peak = max(medians.values()) or math.nan
    print("goodput against its peak: " + ", ".join(f"{x:g}x {value / peak:.0%}" for x, value in medians.items()) + "\n")


async def lanes(url: str, model: str, batch: int, capacity: float, seconds: float) -> None:
    """Print what one interactive caller meets alone, and beside background callers who would take everything."""
    alone = await with_pauses(url, model, seconds)
    async with Callers(url, model, SIZE) as background:
        stop = asyncio.Event()
        began = time.monotonic()
        count = 2 * max(1, batch)
        saturating = [asyncio.create_task(background.keep_asking(stop, headers=BACKGROUND)) for _ in range(count)]
        beside = await with_pauses(url, model, seconds)
        took_s = time.monotonic() - began
        stop.set()
        await asyncio.gather(*saturating)
    done = sum(each.ended < began + took_s for each in background.with_status(HTTPStatus.OK))
    print(
        f"interactive alone: p50 {percentile(alone, 50):.3f} s, p99 {percentile(alone, 99):.3f} s, {len(alone)} asked"
    )
    print(f"beside {count} background callers: p50 {percentile(beside, 50):.3f} s, p99 {percentile(beside, 99):.3f} s")
    bound_s = 3 * percentile(alone, 99) + batch / capacity
    print(f"bound, 3 times alone and one running batch ({batch / capacity:.2f} s): {bound_s:.3f} s")
    print(f"background meanwhile: {done / took_s:.2f} answers/s; interactive: {len(beside) / took_s:.2f}/s")


async def with_pauses(url: str, model: str, seconds: float) -> list[float]:
    """Seconds per request of one caller who waits a little after each answer."""
    async with Callers(url, model, SIZE) as caller:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await caller.ask()
            await asyncio.sleep(PAUSE_S)
    return seconds_of(caller.with_status(HTTPStatus.OK))


def rate_of(answers: Sequence[Reply]) -> float:
    """Answers per second, as the slope of their number: they come by batches, so a count depends on where it ends.

    Of fewer than two moments there is no slope, and the rate is given as 0.
    """
    ended = sorted(each.ended for each in answers)
    if len(set(ended)) <= 1:
        return 0.0
    return statistics.linear_regression(ended, range(len(ended))).slope


def seconds_of(answers: Sequence[Reply]) -> list[float]:
    """How long each took."""
    return [each.seconds for each in answers]


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else 0.0


if __name__ == "__main__":
    sys.exit(main())
