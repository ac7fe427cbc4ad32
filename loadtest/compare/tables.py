"""Rounds of points become tables and a plot: medians over the rounds, and ratios round by round."""

import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from loadtest.compare.runner import Point

T = TypeVar("T")

_COLUMNS = ("throughput", "p50_ms", "p95_ms", "p99_ms", "cpu_s", "memory_mib", "mean_batch")


def table(points: Sequence[Point]) -> str:
    """A Markdown table of the medians over the rounds; errors are summed up."""
    heads = (
        "server",
        "connections",
        "requests/s",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "errors",
        "CPU s per 1000",
        "peak MiB",
    )
    lines = [f"| {' | '.join(heads)} | mean batch |", "|---" * (len(heads) + 1) + "|"]
    for connections in _unique(point.connections for point in points):
        for server in _unique(point.server for point in points):
            group = _select(points, server, connections)
            medians = {name: statistics.median(getattr(point, name) for point in group) for name in _COLUMNS}
            cells = [_digits(medians[name]) for name in _COLUMNS]
            cells.insert(4, str(sum(point.errors for point in group)))
            lines.append(f"| {server} | {connections} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ratios(points: Sequence[Point], of: str) -> str:
    """A Markdown table of one server against each other one: the median of the rounds' ratios, and their range.

    Args:
        points: What was measured.
        of: The server that is divided by the others.
    """
    lines = [
        f"| {of} against | connections | requests/s, ratio (range) | p99, ratio (range) | CPU, ratio (range) |",
        "|---|---|---|---|---|",
    ]
    for connections in _unique(point.connections for point in points):
        mine = _select(points, of, connections)
        for server in _unique(point.server for point in points):
            if server != of:
                theirs = _select(points, server, connections)
                cells = [_ratio(mine, theirs, name) for name in ("throughput", "p99_ms", "cpu_s")]
                lines.append(f"| {server} | {connections} | {' | '.join(cells)} |")
    return "\n".join(lines)


def errors(points: Sequence[Point]) -> str:
    """One line for every server that answered with anything but 200."""
    found = {point.server: point.first_error for point in points if point.errors}
    return "\n".join(f"{server}: for instance {error!r}" for server, error in found.items())


def plot(points: Sequence[Point], path: Path) -> None:
    """Draw throughput and p99 against connections, medians over the rounds."""
    import matplotlib as mpl  # noqa: PLC0415 - takes a second to import, and only the plot needs it

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), constrained_layout=True)
    connections = _unique(point.connections for point in points)
    for axis, name, label in zip(axes, ("throughput", "p99_ms"), ("requests/s", "p99, ms"), strict=True):
        for server in _unique(point.server for point in points):
            values = [
                statistics.median(getattr(p, name) for p in _select(points, server, count)) for count in connections
            ]
            axis.plot(connections, values, marker="o", label=server)
        axis.set(xlabel="connections", ylabel=label, ylim=(0, None))
        axis.set_xscale("log", base=2)
        axis.set_xticks(connections, [str(count) for count in connections])
    axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _unique(values: Iterable[T]) -> list[T]:
    """Each value once, in the order they came."""
    return list(dict.fromkeys(values))


def _select(points: Sequence[Point], server: str, connections: int) -> list[Point]:
    return [point for point in points if point.server == server and point.connections == connections]


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
