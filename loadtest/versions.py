"""`python -m loadtest.versions BEFORE AFTER [...]`: checkouts of this repository against each other, in one sitting.

Starts the service from every checkout with this interpreter, on free ports of 127.0.0.1, and asks one at a time about
distinct small pictures. Every round starts them anew, since a process is a percent quicker or slower by the chances of
its start, and takes them in the other order. Writes points.json and table.md below build/versions/.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from loadtest.compare import contenders, scenarios, tables
from loadtest.compare.contenders import Contender, Running
from loadtest.compare.runner import WARM_UP_S, DifferentAnswers, Point, RunPlan, check_answers, measure
from loadtest.compare.window import Window
from loadtest.shared.process_family import Family
from testbed.failures import ServerFailed
from testbed.servers import PROJECT

OUT = PROJECT / "build/versions"
PACKAGES = ("inference_server", "frontend")  # what a checkout has to have: both are started with `python -m`
PICTURES = "noisy"
CANNOT_MEASURE = 1


@dataclass(frozen=True)
class Sitting:
    """All that was measured.

    Attributes:
        points: Of every version in every round.
        idle_share: The most of one core that the versions which were not asked took together while another was, 0 to 1.
    """

    points: list[Point]
    idle_share: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code: 1 if a version does not start, or its answers differ from those of the graph."""
    given = _arguments(arguments)
    settings = dict(pair.split("=", 1) for pair in given.set)
    plan = RunPlan(given.connections, given.rounds, given.seconds)
    with tempfile.TemporaryDirectory(prefix="oncoserve-versions-") as folder:
        served = scenarios.tiny(Path(folder) / "models")
        names = unique_names(given.checkouts)
        versions = [
            contenders.ours(served, settings, name, checkout)
            for name, checkout in zip(names, given.checkouts, strict=True)
        ]
        try:
            sitting = run(versions, plan, Path(folder))
        except (DifferentAnswers, ServerFailed) as error:
            print(f"Not measured. {error}")
            return CANNOT_MEASURE
    own = " ".join(given.set) or "defaults"
    text = f"{_method(plan)}; settings: {own}\n\n{summary(sitting, plan)}\n"
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "points.json").write_text(json.dumps([asdict(point) for point in sitting.points], indent=1))
    (given.out / "table.md").write_text(text)
    print(text)
    return 0


def unique_names(checkouts: Sequence[Path]) -> list[str]:
    """The folders' names; those that come again get a number, so that a version can be compared with itself."""
    names = [checkout.resolve().name for checkout in checkouts]
    return [
        name if name not in names[:place] else f"{name} ({names[:place].count(name) + 1})"
        for place, name in enumerate(names)
    ]


def run(versions: Sequence[Contender], plan: RunPlan, folder: Path) -> Sitting:
    """Measure everything.

    Args:
        versions: What to start in each round; the order is turned round from one to the next.
        plan: How long and how often.
        folder: Gets logs and results. None is removed before the end: where many files were removed, ext4 makes the
            next ones more slowly for some minutes.

    Raises:
        DifferentAnswers: Answers differ from those of the graph.
        ServerFailed: A server does not start.
    """
    points: list[Point] = []
    idle_share = 0.0
    for turn in range(1, plan.rounds + 1):
        print(f"round {turn}/{plan.rounds}:", end=" ", file=sys.stderr, flush=True)
        with contextlib.ExitStack() as stack:
            order = list(versions if turn % 2 else reversed(versions))
            started = [(each, stack.enter_context(each.start(_subfolder(folder)))) for each in order]
            found = uvloop.run(_round(started, plan, turn))
        points += found.points
        idle_share = max(idle_share, found.idle_share)
        print(file=sys.stderr)
    return Sitting(points, idle_share)


def _subfolder(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))


async def _round(started: Sequence[tuple[Contender, Running]], plan: RunPlan, turn: int) -> Sitting:
    for version, running in started:
        await check_answers(version, running)
        await running.asking[PICTURES].closed_loop(max(plan.connections), Window(WARM_UP_S))
    points: list[Point] = []
    idle_share = 0.0
    for connections in plan.connections:
        print(f"{connections}:", end=" ", file=sys.stderr, flush=True)
        for version, running in started:
            others = [other for _, other in started if other is not running]
            began, cpu_s = time.perf_counter(), _cpu_s(others)
            point = await measure(version, running, PICTURES, connections, plan.seconds, turn)
            share = (_cpu_s(others) - cpu_s) / (time.perf_counter() - began)
            idle_share = max(idle_share, share)
            points.append(point)
            print(f"{version.name} {point.throughput:.1f}/s", end="  ", file=sys.stderr, flush=True)
    return Sitting(points, idle_share)


def _cpu_s(servers: Sequence[Running]) -> float:
    return sum(Family(server.pid).cpu_s() for server in servers if server.pid is not None)


def summary(sitting: Sitting, plan: RunPlan) -> str:
    """Markdown: the medians of every version, then each against the first one."""
    names = list(dict.fromkeys(point.server for point in sitting.points))
    first, *others = names
    lines = [
        f"| against {first} | connections | answers/s, medians | rounds | range of rounds | p50 | p99 | CPU |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in others:
        for connections in plan.connections:
            before, after = (_select(sitting.points, each, connections) for each in (first, name))
            lines.append(f"| {name} | {connections} | {' | '.join(_cells(before, after))} |")
    idle = f"Versions that were not asked took at most {sitting.idle_share:.1%} of one core meanwhile."
    parts = [tables.table(sitting.points), "\n".join(lines), idle, tables.errors(sitting.points)]
    return "\n\n".join(part for part in parts if part)


def _cells(before: Sequence[Point], after: Sequence[Point]) -> list[str]:
    """`after` divided by `before`: of the medians, and then the rounds' ratios, as their median and range."""
    medians = [statistics.median(point.throughput for point in points) for points in (before, after)]
    ratios = _ratios(before, after, "throughput")
    others = [statistics.median(_ratios(before, after, name)) for name in ("p50_ms", "p99_ms", "cpu_s")]
    found = (medians[1] / medians[0], statistics.median(ratios))
    return [
        *(f"{each:.3f}" for each in found),
        f"{min(ratios):.3f}..{max(ratios):.3f}",
        *(f"{each:.3f}" for each in others),
    ]


def _ratios(before: Sequence[Point], after: Sequence[Point], name: str) -> list[float]:
    return [getattr(b, name) / getattr(a, name) for a, b in zip(before, after, strict=True)]


def _select(points: Sequence[Point], server: str, connections: int) -> list[Point]:
    return [point for point in points if point.server == server and point.connections == connections]


def _method(plan: RunPlan) -> str:
    machine = f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}, Python {platform.python_version()}"
    return f"{machine}; {plan.rounds} interleaved rounds of {plan.seconds:g} s a point"


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.versions", description=__doc__.splitlines()[0])
    parser.add_argument("checkouts", type=_checkout, nargs="+", metavar="DIR", help="each is compared with the first")
    parser.add_argument("--rounds", type=int, default=5, help="times that each version is started and measured")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one point")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32], help="requests under way at once")
    parser.add_argument("--set", action="append", default=[], metavar="ONCO_X=Y", help="a setting of every version")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results")
    return parser.parse_args(arguments)


def _checkout(text: str) -> Path:
    folder = Path(text).resolve()
    missing = [name for name in PACKAGES if not (folder / name / "__main__.py").is_file()]
    if missing:
        raise argparse.ArgumentTypeError(f"{text} is no checkout of this repository: it has no {', '.join(missing)}")
    return folder


if __name__ == "__main__":
    sys.exit(main())
