"""What a soak found: soak.csv with every sample, soak.md with the verdict, soak.png to look at."""

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from loadtest.chaos.chaos_tables import table
from loadtest.chaos.rounds import Outcome
from loadtest.soak.traffic import Tally
from loadtest.soak.trends import WARM_UP, Sample, Slopes, Trend

WITHIN_S: Final = 30.0  # right answers again


def write(
    folder: Path,
    minutes: float,
    tally: Tally,
    samples: Sequence[Sample],
    found: Sequence[Trend],
    limits: Slopes,
    troubles: Sequence[Outcome] = (),
) -> list[str]:
    """Write the report.

    Returns:
        What is wrong, in words; nothing when the soak is passed.
    """
    broken = [text for trend in found for text in limits.broken(trend)]
    if tally.unexpected_count:
        broken.insert(0, f"{tally.unexpected_count} unexpected errors")
    broken += [f"{each.fault}: {text}" for each in troubles for text in each.broken(WITHIN_S, math.inf)]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "soak.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, ["at_s", "process", "rss_mib", "open_files"])
        rows.writeheader()
        rows.writerows(asdict(each) for each in samples)
    text = describe(minutes, tally, found, limits, broken)
    if troubles:
        text += f"\nWhat was done to the service during the warm-up:\n\n{table(troubles)}\n"
    (folder / "soak.md").write_text(text)
    plot(folder / "soak.png", samples)
    return broken


def describe(minutes: float, tally: Tally, found: Sequence[Trend], limits: Slopes, broken: Sequence[str]) -> str:
    """The report in Markdown."""
    total = tally.counts.total()
    lines = [
        f"# Soak of {minutes:g} minutes: {'failed' if broken else 'passed'}",
        "",
        *(f"- {text}" for text in broken),
        *([""] if broken else []),
        f"{total} requests, {total / minutes / 60:.1f} a second; {tally.unexpected_count} unexpected.",
        "",
        "| request | status | count |",
        "|---|---|---|",
        *(f"| {kind} | {status} | {count} |" for (kind, status), count in sorted(tally.counts.items())),
        "",
        f"Slopes: least squares after a warm-up of {WARM_UP:.0%} of the run. Limits:",
        f"{limits.mib_per_hour:g} MiB/h where memory rises by over {limits.least_mib:g} MiB within the run, and",
        f"{limits.files_per_hour:g} open files an hour where they rise by over {limits.least_files:g}.",
        "",
        "| process | MiB at start | at end | MiB/h | open files at start | at end | files/h |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {each.process} | {each.first.rss_mib:.1f} | {each.last.rss_mib:.1f} | {each.memory.per_hour:+.1f} "
            f"| {each.first.open_files} | {each.last.open_files} | {each.files.per_hour:+.1f} |"
            for each in found
        ),
        "",
    ]
    if tally.unexpected:
        lines += ["The first unexpected errors:", "", *(f"    {text}" for text in tally.unexpected), ""]
    return "\n".join(lines)


def plot(path: Path, samples: Sequence[Sample]) -> None:
    """Draw memory and open files over time."""
    import matplotlib as mpl  # noqa: PLC0415 - takes a second to import, and only the plot needs it

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, (upper, lower) = plt.subplots(2, 1, figsize=(8, 6), sharex=True, constrained_layout=True)
    for process in dict.fromkeys(each.process for each in samples):
        mine = [each for each in samples if each.process == process]
        minutes = [each.at_s / 60 for each in mine]
        upper.plot(minutes, [each.rss_mib for each in mine], label=process)
        lower.plot(minutes, [each.open_files for each in mine], label=process)
    upper.set(ylabel="resident memory, MiB", ylim=(0, None))
    lower.set(xlabel="minutes", ylabel="open files", ylim=(0, None))
    upper.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)
