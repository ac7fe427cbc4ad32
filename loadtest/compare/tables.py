"""Rounds of points become tables and a plot: medians over the rounds, and ratios round by round."""

import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from loadtest.compare.runner import Point

T = TypeVar("T")

_MEDIANS = {
    "requests/s": "throughput",
    "p50 ms": "p50_ms",
    "p95 ms": "p95_ms",
    "p99 ms": "p99_ms",
    "CPU s per 1000": "cpu_s",
    "peak MiB": "memory_mib",
    "mean batch": "mean_batch",
}
_RATIOS = {"requests/s": "throughput", "p99": "p99_ms", "CPU": "cpu_s"}


def report(points: Sequence[Point], baselines: Sequence[str]) -> str:
    """All tables in Markdown, for each kind of picture, and then the errors."""
    parts = []
    for kind in _unique(point.pictures for point in points):
        mine = [point for point in points if point.pictures == kind]
        parts += [f"Pictures: {kind}", table(mine), *(ratios(mine, of) for of in baselines)]
    return "\n\n".join(part for part in [*parts, errors(points)] if part)


def table(points: Sequence[Point]) -> str:
    """The medians over the rounds, of one kind of picture; errors are summed up."""
    lines = _head("server", "connections", *_MEDIANS, "errors")
    for (connections, server), group in _groups(points).items():
        cells = [_digits(_median(group, name)) for name in _MEDIANS.values()]
        lines.append(f"| {server} | {connections} | {' | '.join(cells)} | {sum(point.errors for point in group)} |")
    return "\n".join(lines)


def ratios(points: Sequence[Point], of: str) -> str:
    """One server divided by each other one: the median of the rounds' ratios, and their range."""
    lines = _head(f"{of} against", "connections", *(f"{name}, ratio (range)" for name in _RATIOS))
    groups = _groups(points)
    for (connections, server), theirs in groups.items():
        if server != of:
            cells = [_ratio(groups[connections, of], theirs, name) for name in _RATIOS.values()]
            lines.append(f"| {server} | {connections} | {' | '.join(cells)} |")
    return "\n".join(lines)


def errors(points: Sequence[Point]) -> str:
    """One line for every server that answered with anything but 200."""
    found = {point.server: point.first_error for point in points if point.errors}
    return "\n".join(f"{server}: for instance {error!r}" for server, error in found.items())


def plot(points: Sequence[Point], path: Path) -> None:
    """Draw throughput and p99 against connections, medians over the rounds; a row for each kind of picture."""
    import matplotlib as mpl  # noqa: PLC0415 - takes a second to import, and only the plot needs it

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    kinds, servers, connections = (
        _unique(getattr(point, name) for point in points) for name in ("pictures", "server", "connections")
    )
    figure, rows = plt.subplots(len(kinds), 2, figsize=(10, 4 * len(kinds)), constrained_layout=True, squeeze=False)
    for row, kind in zip(rows, kinds, strict=True):
        groups = _groups([point for point in points if point.pictures == kind])
        for axis, name, label in zip(row, ("throughput", "p99_ms"), ("requests/s", "p99, ms"), strict=True):
            for server in servers:
                medians = [_median(groups[count, server], name) for count in connections]
                axis.plot(connections, medians, marker="o", label=server)
            axis.set(title=f"pictures: {kind}", xlabel="connections", ylabel=label, ylim=(0, None))
            axis.set_xscale("log", base=2)
            axis.set_xticks(connections, [str(count) for count in connections])
    rows[0][0].legend(fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _head(*names: str) -> list[str]:
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]


def _groups(points: Sequence[Point]) -> dict[tuple[int, str], list[Point]]:
    """The rounds of each number of connections and server: the lines of a table."""
    found: dict[tuple[int, str], list[Point]] = {}
    for point in sorted(points, key=lambda point: point.connections):
        found.setdefault((point.connections, point.server), []).append(point)
    return found


def _median(points: Sequence[Point], name: str) -> float:
    return float(statistics.median(getattr(point, name) for point in points))


def _unique(values: Iterable[T]) -> list[T]:
    """Each value once, in the order they came."""
    return list(dict.fromkeys(values))


def _ratio(mine: Sequence[Point], theirs: Sequence[Point], name: str) -> str:
    found = [getattr(a, name) / (getattr(b, name) or math.nan) for a, b in zip(mine, theirs, strict=True)]
    if any(math.isnan(value) for value in found):
        return "-"
    return f"{statistics.median(found):.2f} ({min(found):.2f}-{max(found):.2f})"


def _digits(value: float) -> str:
    """Three significant digits, and a dash for what there is not."""
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits
