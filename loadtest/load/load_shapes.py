"""How much load there is over time: a number of callers, a rate, or a rate that rises until a limit is broken."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from loadtest.load.limits import Figures, RunLimits, Verdict, judge_rate
from loadtest.load.pace import Pace


class Load(Protocol):
    """A load over time. `look` is called about once a second."""

    def look(self, elapsed_s: float, met: Figures) -> bool:
        """Return whether the run goes on.

        Args:
            elapsed_s: Seconds since the start.
            met: What happened since the start.
        """

    def judge(self, met: Figures) -> list[Verdict]:
        """Judge the run at its end."""


class ClosedLoop:
    """Callers that each send as soon as they are answered.

    Args:
        seconds: How long; None until somebody stops it.
        limits: What the run has to keep.
    """

    def __init__(self, seconds: float | None, limits: RunLimits) -> None:
        self._seconds, self._limits = seconds, limits
        self.elapsed_s = 0.0

    def look(self, elapsed_s: float, met: Figures) -> bool:
        """See `Load`."""
        del met
        self.elapsed_s = elapsed_s
        return self._seconds is None or elapsed_s < self._seconds

    def judge(self, met: Figures) -> list[Verdict]:
        """See `Load`."""
        return self._limits.judge(met)


class FixedRate(ClosedLoop):
    """Requests at a rate that the answers do not slow down.

    Args:
        seconds: How long; None until somebody stops it.
        limits: What the run has to keep.
        rate: Requests per second that the pace was set to.
    """

    def __init__(self, seconds: float | None, limits: RunLimits, rate: float) -> None:
        super().__init__(seconds, limits)
        self._rate = rate

    def judge(self, met: Figures) -> list[Verdict]:
        """See `Load`; a rate that was not reached is not the load that was asked for."""
        return [*super().judge(met), judge_rate(met, self.elapsed_s, self._rate)]


@dataclass(frozen=True)
class Step:
    """One step of `Steps`: the rate that was asked for, what came of it, and the limits it broke."""

    rate: float
    met: Figures
    broken: tuple[Verdict, ...]

    def __str__(self) -> str:
        outcome = "; ".join(each.text for each in self.broken) or "held"
        return f"step {self.rate:.2f} requests/s: p95 {self.met.p95_ms} ms, {self.met.refused} refused: {outcome}"


class Steps:
    """A rate that rises step by step until a limit is broken; the capacity is the last rate that held.

    Args:
        seconds: End in any case after so long; None for no end but a broken limit.
        limits: What each step has to keep; its `min_requests` is for the whole run.
        pace: Has the first step's rate, and gets the others.
        factor: Between two steps, more than 1.
        step_s: Seconds per step.
        tell: Gets every step as soon as it is over.
    """

    def __init__(
        self,
        seconds: float | None,
        limits: RunLimits,
        pace: Pace,
        factor: float,
        step_s: float,
        tell: Callable[[Step], None],
    ) -> None:
        self._seconds, self._limits, self._pace = seconds, replace(limits, min_requests=1), pace
        self._factor, self._step_s, self._tell = factor, step_s, tell
        self.steps: list[Step] = []
        self._started_s, self._before = 0.0, Figures()

    def look(self, elapsed_s: float, met: Figures) -> bool:
        """See `Load`."""
        if elapsed_s - self._started_s >= self._step_s:
            in_step = met.since(self._before)
            verdicts = self._limits.judge(in_step)
            verdicts.append(judge_rate(in_step, elapsed_s - self._started_s, self._pace.rate))
            self.steps.append(Step(self._pace.rate, in_step, tuple(each for each in verdicts if not each.holds)))
            self._tell(self.steps[-1])
            if self.steps[-1].broken:
                return False
            self._pace.rate *= self._factor
            self._started_s, self._before = elapsed_s, met
        return self._seconds is None or elapsed_s < self._seconds

    def judge(self, met: Figures) -> list[Verdict]:
        """See `Load`: a run is good when it found a capacity."""
        del met
        held = [step for step in self.steps if not step.broken]
        if not held:
            return [Verdict("capacity: below the first step", holds=False)]
        at_least = "" if len(held) < len(self.steps) else "at least "
        return [
            Verdict(f"capacity: {at_least}{held[-1].rate:.2f} requests/s, p95 {held[-1].met.p95_ms} ms", holds=True)
        ]
