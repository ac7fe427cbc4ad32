"""Measures contenders one at a time, in interleaved rounds, so that a drift of the machine meets all of them alike."""

import asyncio
import csv
import itertools
import math
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import uvloop

from loadtest.compare.contenders import Contender, Running
from loadtest.compare.served import Served
from loadtest.compare.window import Window
from loadtest.shared.gpu_watch import GpuWatch
from loadtest.shared.process_family import Family, MemoryWatch

CHECKED_PICTURES = 8
WARM_UP_S = 2.0


class DifferentAnswers(Exception):
    """A contender does not answer what the graph answers, so its speed says nothing."""


@dataclass(frozen=True)
class RunPlan:
    """How long and how often: a point for each number of connections, of that many seconds, in every round."""

    connections: Sequence[int]
    rounds: int
    seconds: float


@dataclass(frozen=True)
class Point:
    """One contender at one number of connections in one round; a row of raw.csv.

    Attributes:
        throughput: Answers of status 200 per second.
        p50_ms, p95_ms, p99_ms: Percentiles of their latency in milliseconds.
        errors: Anything else than status 200.
        cpu_s: Processor seconds of the server's processes per 1000 answers; NaN without a server.
        memory_mib: The most memory of the server's processes in that time, sum of their PSS, in MiB.
        mean_batch: Requests that Triton computed together, on average; NaN without Triton.
        first_error: One of the errors, in words.
        gpu_busy, gpu_mib: The share of the time in which the first GPU computed, 0 to 1, and the most memory that was
            taken on it, in MiB; NaN without one.
        clients_busy: The share of the time in which the busiest process that asks computed, 0 to 1; near 1 the clients
            are the limit. NaN where the measuring process asks.
        pictures: Their kind.
    """

    round: int
    server: str
    connections: int
    throughput: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: int
    cpu_s: float
    memory_mib: float
    mean_batch: float
    first_error: str
    gpu_busy: float = math.nan
    gpu_mib: float = math.nan
    clients_busy: float = math.nan
    pictures: str = ""


def run(
    contenders: Sequence[Contender], plan: RunPlan, raw: Path, failures: dict[str, str] | None = None
) -> list[Point]:
    """Measure everything; every point is written to the file `raw` as soon as it is there.

    Contenders that cannot be measured end nothing where there are `failures`, which get their names and the reasons.

    Raises:
        DifferentAnswers: Answers differ from those of the graph.
        ServerFailed: A server does not start.
    """
    raw.parent.mkdir(parents=True, exist_ok=True)
    points: list[Point] = []
    # One folder until the end: where many files were removed, ext4 makes the next ones ten times as slowly for some
    # minutes, which would charge one round with the results of the round before.
    with tempfile.TemporaryDirectory(prefix="compare-") as folder, raw.open("w", newline="") as file:
        writer = csv.DictWriter(file, [each.name for each in fields(Point)])
        writer.writeheader()

        def keep(point: Point) -> None:
            points.append(point)
            writer.writerow(asdict(point))
            file.flush()

        for turn, contender in itertools.product(range(1, plan.rounds + 1), contenders):
            if failures and contender.name in failures:
                continue
            print(f"\nround {turn}/{plan.rounds}, {contender.name}:", end=" ", file=sys.stderr, flush=True)
            try:
                _turn(contender, plan, turn, Path(tempfile.mkdtemp(dir=folder)), keep)
            except Exception as error:  # whatever it was, the others can be measured
                if failures is None:
                    raise
                failures[contender.name] = f"{type(error).__name__}: {error}"
                print(f"not measured: {error}", file=sys.stderr)
    return points


def _turn(contender: Contender, plan: RunPlan, turn: int, folder: Path, keep: Callable[[Point], None]) -> None:
    with contender.start(folder) as running:
        uvloop.run(_measure_all(contender, running, plan, turn, keep))


async def _measure_all(
    contender: Contender, running: Running, plan: RunPlan, turn: int, keep: Callable[[Point], None]
) -> None:
    await check_answers(contender, running)
    numbers = contender.connections or plan.connections
    kinds = list(contender.served.pictures)
    await running.asking[kinds[0]].closed_loop(max(numbers), Window(min(WARM_UP_S, plan.seconds)))
    for kind in kinds:
        for connections in numbers:
            point = await measure(contender, running, kind, connections, plan.seconds, turn)
            keep(point)
            print(f"{kind} {connections}: {point.throughput:.1f}/s", end="  ", file=sys.stderr, flush=True)


async def check_answers(contender: Contender, running: Running) -> None:
    """Refuse what is not measured against the same work, with each kind of picture.

    Raises:
        DifferentAnswers: A label or a probability differs from ONNX Runtime's on the same picture.
    """
    for kind, asking in running.asking.items():
        expected = contender.served.expected(kind, CHECKED_PICTURES)
        try:
            answers = await asking.answers(CHECKED_PICTURES)
        except ValueError as error:
            raise DifferentAnswers(f"{contender.name} gives no answer about {kind}: {error}") from error
        if not any(answers):
            raise DifferentAnswers(f"{contender.name} leaves all pictures of {kind} undetermined")
        for number, (right, answer) in enumerate(zip(expected, answers, strict=True)):
            if answer and not _is_right(contender.served, right, answer):
                raise DifferentAnswers(f"{contender.name}, {kind}, picture {number}: expected {right}, got {answer}")


def _is_right(served: Served, right: Sequence[float], answer: Mapping[str, float]) -> bool:
    names = served.labels
    best = max(answer, key=lambda name: answer[name])
    # Two classes that are as likely but for the tolerance may change places.
    same_label = best in names and right[names.index(best)] >= max(right) - served.tolerance
    got = [answer.get(name, math.nan) for name in names]
    return same_label and all(abs(a - b) <= served.tolerance for a, b in zip(right, got, strict=True))


async def measure(
    contender: Contender, running: Running, kind: str, connections: int, seconds: float, turn: int
) -> Point:
    """Load a server that is up for `seconds`, beside a ramp before; see `Point`."""
    family = Family(running.pid) if running.pid is not None else None
    window = Window(seconds)
    load = asyncio.create_task(running.asking[kind].closed_loop(connections, window))
    await asyncio.sleep(window.opens - time.perf_counter())
    before = await asyncio.to_thread(_probe, family, running.metrics_url)
    with MemoryWatch(family) as memory, GpuWatch() as gpu:
        await asyncio.sleep(window.closes - time.perf_counter())
        after = await asyncio.to_thread(_probe, family, running.metrics_url)
    await load
    good = len(window.latencies_s)
    cpu_s, requests, executions = (b - a for a, b in zip(before, after, strict=True))
    return Point(
        round=turn,
        server=contender.name,
        connections=connections,
        throughput=window.throughput,
        p50_ms=window.percentile_ms(50),
        p95_ms=window.percentile_ms(95),
        p99_ms=window.percentile_ms(99),
        errors=window.errors.total(),
        cpu_s=cpu_s / good * 1e3 if good else math.nan,
        memory_mib=memory.peak_mib,
        mean_batch=requests / executions if executions else math.nan,
        first_error=next(iter(window.errors), ""),
        gpu_busy=gpu.busy,
        gpu_mib=gpu.memory_mib,
        clients_busy=running.clients_busy(),
        pictures=kind,
    )


def _probe(family: Family | None, metrics_url: str) -> tuple[float, float, float]:
    """Processor seconds, requests computed and executions so far; NaN for what there is not."""
    cpu_s = family.cpu_s() if family else math.nan
    if not metrics_url:
        return cpu_s, math.nan, math.nan
    with urllib.request.urlopen(metrics_url, timeout=5) as answer:  # noqa: S310 - our own Triton
        text = answer.read().decode()
    return cpu_s, _counter(text, "nv_inference_count"), _counter(text, "nv_inference_exec_count")


def _counter(metrics: str, name: str) -> float:
    """The sum of a Prometheus counter over its labels."""
    return sum(float(value) for value in re.findall(rf"^{name}\{{.*\}} (\S+)$", metrics, re.MULTILINE))
