"""What came of the faults, as a table."""

import math
from collections.abc import Sequence

from loadtest.chaos.judged_answers import BROKEN, DROPPED, REFUSED, RIGHT, WRONG, JobLedger
from loadtest.chaos.rounds import Outcome

COLUMNS = (
    *("fault", "right again, s", "after its end, s"),
    *("right", "refused", "no answer", "wrong", "other 5xx"),
    *("peak MiB", "left"),
)


def table(outcomes: Sequence[Outcome]) -> str:
    """In Markdown, which reads well as text too."""
    rows = [COLUMNS, *(_row(each) for each in outcomes)]
    widths = [max(len(row[number]) for row in rows) for number in range(len(COLUMNS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def jobs_line(ledger: JobLedger, sent: int, twice: Sequence[str]) -> str:
    """What came of the jobs, in a sentence."""
    return (
        f"{sent} jobs under the load and {ledger.ended} in all ended rightly; {len(ledger.lost)} lost, "
        f"{len(twice)} doubled, {len(ledger.failed)} failed, {len(ledger.wrong)} wrong."
    )


def _row(each: Outcome) -> tuple[str, ...]:
    if each.skipped:
        return (each.fault, f"skipped: {each.skipped}", *[""] * (len(COLUMNS) - 2))
    counts = each.judgement.counts
    numbers = (str(counts[name]) for name in (RIGHT, REFUSED, DROPPED, WRONG, BROKEN))
    memory = "" if math.isnan(each.peak_mib) else f"{each.peak_mib:.0f}"
    return (each.fault, _seconds(each.recovered_s), _seconds(each.after_s), *numbers, memory, "; ".join(each.left))


def _seconds(value: float) -> str:
    if math.isnan(value):
        return ""
    return "never" if math.isinf(value) else f"{value:.1f}"
