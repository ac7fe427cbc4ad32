"""Where a request's time goes, as contiguous laps: their sum is the wall time by construction."""

import time
from collections.abc import Callable


class Timings:
    """A stopwatch with named laps, in milliseconds.

    Each lap covers the time since the one before, so nothing between two stages goes uncounted. A name used
    twice adds up.

    Attributes:
        laps_ms: each name's milliseconds in all.
        ends_ms: every lap in order, with the milliseconds from the start to its end.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._start = self._last = clock()
        self.laps_ms: dict[str, float] = {}
        self.ends_ms: list[tuple[str, float]] = []

    def lap(self, name: str) -> None:
        """End the running lap and call it `name`."""
        now = self._clock()
        self.laps_ms[name] = self.laps_ms.get(name, 0.0) + (now - self._last) * 1e3
        self.ends_ms.append((name, (now - self._start) * 1e3))
        self._last = now

    def total_ms(self) -> float:
        """Milliseconds since the stopwatch was made."""
        return (self._clock() - self._start) * 1e3

    def stages(self) -> dict[str, float]:
        """The laps so far, as a copy: a thread that works on for a caller who has gone may still end one."""
        return self.laps_ms.copy()

    def rounded(self) -> dict[str, float]:
        """The laps in milliseconds, to a microsecond."""
        return {name: round(value, 3) for name, value in self.stages().items()}

    def header(self) -> str:
        """The value of a `Server-Timing` header (W3C), durations in milliseconds."""
        entries = {**self.stages(), "total": self.total_ms()}
        return ", ".join(f"{name};dur={value:.3f}" for name, value in entries.items())
