"""What is counted: the answers that arrive while the window is open, of a load that runs before and after it too."""

import time
from collections import Counter

import numpy as np


class Window:
    """Collects answers between two moments; until `closes` is past, clients keep sending.

    With a load that is already steady when the window opens, and still is when it closes, neither the start nor the
    tail of a closed loop bends the throughput.

    Args:
        seconds: How long it stays open.
        ramp_s: How long the load runs before it opens, in seconds.
    """

    def __init__(self, seconds: float, ramp_s: float = 0.5) -> None:
        self.seconds = seconds
        self.opens = time.perf_counter() + ramp_s
        self.closes = self.opens + seconds
        self.latencies_s: list[float] = []
        self.errors: Counter[str] = Counter()

    def running(self) -> bool:
        """Whether clients should send another request."""
        return time.perf_counter() < self.closes

    def record(self, sent: float, error: str = "") -> None:
        """Take an answer that arrived now; `sent` is perf_counter() of its request, `error` says what was wrong."""
        now = time.perf_counter()
        if not self.opens <= now < self.closes:
            return
        if error:
            self.errors[error] += 1
        else:
            self.latencies_s.append(now - sent)

    def add(self, other: "Window") -> None:
        """Take over the answers that another process saw in the same window."""
        self.latencies_s += other.latencies_s
        self.errors += other.errors

    @property
    def throughput(self) -> float:
        """Good answers per second."""
        return len(self.latencies_s) / self.seconds

    def percentile_ms(self, percent: int) -> float:
        """Latency in milliseconds that `percent` of the good answers did not exceed; NaN without answers."""
        return float(np.percentile(self.latencies_s, percent)) * 1e3 if self.latencies_s else float("nan")
