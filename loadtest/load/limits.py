"""What a run is measured by, and the limits that decide its exit code."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figures:
    """What happened to the requests of a span of time.

    Attributes:
        answered: Requests that got an answer, right or wrong; refused ones are not among them.
        failed: Those of them that got an error, a wrong answer or none.
        refused: Requests that got 503 with Retry-After.
        times_ms: By kind of request, how many of the answered took how many milliseconds.
    """

    answered: int = 0
    failed: int = 0
    refused: int = 0
    times_ms: Mapping[str, Mapping[int, int]] = field(default_factory=dict)

    def since(self, earlier: "Figures") -> "Figures":
        """What was added after `earlier`."""
        return Figures(
            self.answered - earlier.answered,
            self.failed - earlier.failed,
            self.refused - earlier.refused,
            {
                kind: Counter(times_ms) - Counter(earlier.times_ms.get(kind, {}))
                for kind, times_ms in self.times_ms.items()
            },
        )

    @property
    def fail_ratio(self) -> float:
        """Failed among the answered."""
        return self.failed / self.answered if self.answered else 0.0

    @property
    def refused_ratio(self) -> float:
        """Refused among all."""
        return self.refused / (self.answered + self.refused) if self.refused else 0.0

    @property
    def p95_ms(self) -> int:
        """That of the slowest kind of request: all together, many quick ones would hide a few slow ones."""
        return max(map(percentile_95, self.times_ms.values()), default=0)


def percentile_95(counts: Mapping[int, int]) -> int:
    """The nearest-rank 95th percentile; 0 of nothing.

    Args:
        counts: How often each value was met.
    """
    left = 0.95 * sum(counts.values())
    for value, count in sorted(counts.items()):
        left -= count
        if left <= 0:
            return value
    return 0


@dataclass(frozen=True)
class Verdict:
    """One limit, the value that was met, and whether it holds."""

    text: str
    holds: bool

    def __str__(self) -> str:
        return f"{'limit kept  ' if self.holds else 'LIMIT BROKEN'}  {self.text}"


@dataclass(frozen=True)
class RunLimits:
    """What a run has to keep; None is no limit.

    Attributes:
        max_fail_ratio: Of the answered requests.
        max_refused_ratio: Of all requests.
        min_requests: Answered requests.
        max_p95_ms: Of the answered requests of every kind, in milliseconds.
    """

    max_fail_ratio: float = 0.0
    max_refused_ratio: float = 0.0
    min_requests: int = 1
    max_p95_ms: float | None = None

    def judge(self, met: Figures) -> list[Verdict]:
        """Hold what was met against every limit."""
        sent = met.answered + met.refused
        verdicts = [
            Verdict(
                f"failed: {met.fail_ratio:.2%} of {met.answered} answered, at most {self.max_fail_ratio:.2%}",
                met.fail_ratio <= self.max_fail_ratio,
            ),
            Verdict(
                f"refused: {met.refused_ratio:.2%} of {sent} sent, at most {self.max_refused_ratio:.2%}",
                met.refused_ratio <= self.max_refused_ratio,
            ),
            Verdict(
                f"answered: {met.answered} requests, at least {self.min_requests}", met.answered >= self.min_requests
            ),
        ]
        if self.max_p95_ms is not None:
            text = f"p95 of the slowest kind: {met.p95_ms} ms, at most {self.max_p95_ms:g} ms"
            verdicts.append(Verdict(text, met.p95_ms <= self.max_p95_ms))
        return verdicts


def judge_rate(met: Figures, seconds: float, asked_per_s: float, least_share: float = 0.9) -> Verdict:
    """Hold the rate that was answered against the rate that was asked for.

    What was sent within the last moments is still on its way: as long as the slow requests take, but at most half of
    the time, is left out.

    Args:
        met: What happened.
        seconds: In how long.
        asked_per_s: Requests per second that were to be sent.
        least_share: Of it that has to be answered or refused.
    """
    counted_s = max(seconds - met.p95_ms / 1e3, seconds / 2)
    done_per_s = (met.answered + met.refused) / counted_s if seconds else 0.0
    return Verdict(
        f"rate: {done_per_s:.2f} of {asked_per_s:.2f} requests/s, at least {least_share:.0%}",
        done_per_s >= least_share * asked_per_s,
    )
