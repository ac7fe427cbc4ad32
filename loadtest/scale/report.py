"""Tables and the plot."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from loadtest.scale.costs import Workload, per_thousand
from loadtest.scale.prices import Price
from loadtest.scale.simulation import HOUR_S, Outcome, Scenario


def cost_table(works: Sequence[Workload], instance: Price) -> str:
    """Dollars for 1,000 images in Markdown: a row a kind of cost, a column a workload."""
    columns = [per_thousand(work, instance) for work in works]
    head = "".join(f" {work.name} |" for work in works)
    lines = [f"| US$ for 1,000 images |{head}", "|---|" + "---|" * len(works)]
    lines += [f"| {name} |" + "".join(f" {each[name]:.4f} |" for each in columns) for name in columns[0]]
    lines.append("| **together** |" + "".join(f" **{sum(each.values()):.3f}** |" for each in columns))
    within = [sum(per_thousand(work, instance, fetched=False).values()) for work in works]
    lines.append("| together, results read inside AWS |" + "".join(f" {each:.3f} |" for each in within))
    return "\n".join(lines)


def burst_table(runs: Mapping[str, tuple[Scenario, Outcome]]) -> str:
    """What became of each scenario, in Markdown."""
    lines = [
        "| scenario | drained, h | most workers | launches | US$ workers | idle or lost | begun twice |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (_, outcome) in runs.items():
        lines.append(
            f"| {name} | {outcome.drained_s / HOUR_S:.2f} | {outcome.peak_workers} | {outcome.launches} "
            f"| {outcome.cost:.2f} | {outcome.idle_share:.1%} | {outcome.begun - outcome.done} |"
        )
    return "\n".join(lines)


def plot(path: Path, runs: Mapping[str, tuple[Scenario, Outcome]]) -> None:
    """Draw images that wait and workers over time."""
    import matplotlib as mpl  # noqa: PLC0415 - takes a second to import, and only the plot needs it

    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "oncoserve"  # the same picture is the same file
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, (upper, lower) = plt.subplots(2, 1, figsize=(8, 6), sharex=True, constrained_layout=True)
    for name, (scenario, outcome) in runs.items():
        hours = [each.at_s / HOUR_S for each in outcome.samples]
        upper.plot(hours, [(scenario.images - each.done) / 1000 for each in outcome.samples], label=name)
        lower.plot(hours, [each.workers for each in outcome.samples], label=name)
    upper.set(ylabel="images not done, thousands", ylim=(0, None))
    lower.set(xlabel="hours since the first image", ylabel="workers", ylim=(0, None))
    upper.legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
