"""Points become tables: figures, what batching is worth, and what is left of the best of ONNX Runtime alone.

Every ratio is one of medians over the rounds.
"""

import csv
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

from loadtest.compare.runner import Point

SATURATED: Final = 0.9
"""The share of its time from which a process that asks is called the limit."""

_HEADS: Final = (
    "what", "connections", "images/s", "p50 ms", "p99 ms", "mean batch", "GPU busy", "GPU MiB", "CPU cores", "clients",
    "errors",
)  # fmt: skip


@dataclass(frozen=True)
class Name:
    """What a contender is, as its name says: `brain_mri fp16 grpc on x1`, `... http on x1 w4`, `... bare`.

    Attributes:
        model, precision: What is served.
        way: The rest.
    """

    model: str
    precision: str
    way: str

    @classmethod
    def of(cls, point: Point) -> Self:
        """The name of a point's contender."""
        return cls(*point.server.split(" ", 2))


def read(paths: Iterable[Path]) -> list[Point]:
    """The points of several raw.csv together."""
    kinds: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "str": str}
    types = {
        each.name: kinds[each.type if isinstance(each.type, str) else each.type.__name__] for each in fields(Point)
    }
    points = []
    for path in paths:
        with path.open(newline="") as file:
            points += [Point(**{name: types[name](text) for name, text in row.items()}) for row in csv.DictReader(file)]
    return points


def text(points: Sequence[Point], failures: Mapping[str, str], head: str) -> str:
    """All tables in Markdown."""
    parts = [head]
    for model, precision in dict.fromkeys((Name.of(point).model, Name.of(point).precision) for point in points):
        mine = [point for point in points if Name.of(point).model == model and Name.of(point).precision == precision]
        parts += [f"## {model}, {precision}", _figures(mine), _gains(mine), _limits(mine)]
    busy = sorted({point.server for point in points if point.clients_busy >= SATURATED})
    if busy:
        parts.append(
            f"**The clients were the limit** (busy {SATURATED:.0%} of the time or more) of {', '.join(busy)}: "
            "more of them are needed (`--clients`)."
        )
    errors = {point.server: point.first_error for point in points if point.errors}
    parts += [f"{server}: errors, for instance {error!r}" for server, error in errors.items()]
    parts += [f"{server}: not measured. {reason.splitlines()[0]}" for server, reason in failures.items()]
    return "\n\n".join(part for part in parts if part) + "\n"


def _figures(points: Sequence[Point]) -> str:
    lines = [f"| {' | '.join(_HEADS)} |", "|---" * len(_HEADS) + "|"]
    for way, connections in dict.fromkeys((Name.of(point).way, point.connections) for point in points):
        group = _select(points, way, connections)
        cores = [point.cpu_s * point.throughput / 1e3 for point in group]
        cells = [
            *(_digits(_median(group, name)) for name in ("throughput", "p50_ms", "p99_ms", "mean_batch")),
            _percent(_median(group, "gpu_busy")),
            _digits(max(point.gpu_mib for point in group)),
            _digits(statistics.median(cores)),
            _percent(_median(group, "clients_busy")),
            str(sum(point.errors for point in group)),
        ]
        lines.append(f"| {way} | {connections} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _gains(points: Sequence[Point]) -> str:
    """Batching on against off, at each number of connections."""
    ways = list(dict.fromkeys(Name.of(point).way for point in points))
    pairs = [
        (way, way.replace(" on ", " off ")) for way in ways if " on " in way and way.replace(" on ", " off ") in ways
    ]
    if not pairs:
        return ""
    lines = [
        f"| connections | {' | '.join(f'{on}, against off' for on, _ in pairs)} |",
        "|---" * (len(pairs) + 1) + "|",
    ]
    for connections in sorted({point.connections for point in points if Name.of(point).way in pairs[0]}):
        ratios = [_speed(points, on, connections) / _speed(points, off, connections) for on, off in pairs]
        lines.append(f"| {connections} | {' | '.join(_digits(ratio) for ratio in ratios)} |")
    return "\n".join(lines)


def _limits(points: Sequence[Point]) -> str:
    """The best of every way, and what it is of ONNX Runtime's best and of the best over gRPC."""
    best: dict[str, tuple[float, int]] = {}
    for way, connections in dict.fromkeys((Name.of(point).way, point.connections) for point in points):
        speed = _speed(points, way, connections)
        best[way] = max(best.get(way, (0.0, 0)), (speed, connections))
    bare = best.get("bare", (math.nan, 0))[0]
    grpc = max((speed for way, (speed, _) in best.items() if way.startswith("grpc on")), default=math.nan)
    lines = ["| best of | images/s | at | of ONNX Runtime alone | of gRPC |", "|---|---|---|---|---|"]
    for way, (speed, connections) in best.items():
        lines.append(
            f"| {way} | {_digits(speed)} | {connections} | {_digits(speed / bare)} | {_digits(speed / grpc)} |"
        )
    return "\n".join(lines)


def _select(points: Sequence[Point], way: str, connections: int) -> list[Point]:
    return [point for point in points if Name.of(point).way == way and point.connections == connections]


def _speed(points: Sequence[Point], way: str, connections: int) -> float:
    group = _select(points, way, connections)
    return (_median(group, "throughput") or math.nan) if group else math.nan


def _median(points: Sequence[Point], name: str) -> float:
    return float(statistics.median(getattr(point, name) for point in points))


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.0%}"


def _digits(value: float) -> str:
    """Three significant digits, and a dash for what there is not."""
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits
