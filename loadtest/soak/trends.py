"""Whether memory and open files of a process stay flat."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

WARM_UP: Final = 0.25
"""Share of the run that is left out: buffers, threads and connections are made when they are first needed."""

_HOUR_S: Final = 3600.0


@dataclass(frozen=True)
class Sample:
    """One look at one process.

    Attributes:
        at_s: Seconds since the start of the run.
        process: Its name in the report.
        rss_mib: Resident memory.
        open_files: Open file descriptors, sockets among them.
    """

    at_s: float
    process: str
    rss_mib: float
    open_files: int


@dataclass(frozen=True)
class Line:
    """A straight line through samples by least squares.

    Attributes:
        per_hour: Its slope.
        rise: What it rose by over the samples.
    """

    per_hour: float
    rise: float


@dataclass(frozen=True)
class Trend:
    """How one process did.

    Attributes:
        process: Its name.
        first: The first sample of the run.
        last: The last one.
        memory: MiB, after the warm-up.
        files: Open files, after the warm-up.
    """

    process: str
    first: Sample
    last: Sample
    memory: Line
    files: Line


@dataclass(frozen=True)
class Slopes:
    """The steepest slopes that are taken for flat.

    A slope is held against its limit only where it amounts to something: over two minutes, a megabyte that comes and
    goes looks like 30 an hour.

    Attributes:
        mib_per_hour: Of resident memory.
        files_per_hour: Of open files.
        least_mib: A rise of memory below this within the run is noise.
        least_files: The same for open files.
    """

    mib_per_hour: float = 60.0
    files_per_hour: float = 20.0
    least_mib: float = 8.0
    least_files: float = 4.0

    def broken(self, trend: Trend) -> list[str]:
        """The limits that a process breaks, in words."""
        memory, files, found = trend.memory, trend.files, []
        if memory.per_hour > self.mib_per_hour and memory.rise > self.least_mib:
            found.append(f"memory rises by {memory.per_hour:.1f} MiB/h, at most {self.mib_per_hour:g}")
        if files.per_hour > self.files_per_hour and files.rise > self.least_files:
            found.append(f"open files rise by {files.per_hour:.1f} an hour, at most {self.files_per_hour:g}")
        return [f"{trend.process}: {text}" for text in found]


def trends(samples: Sequence[Sample]) -> list[Trend]:
    """The trend of each process, in the order of their first samples.

    Args:
        samples: Of all processes, by time.
    """
    end_s = max(each.at_s for each in samples)
    found = []
    for process in dict.fromkeys(each.process for each in samples):
        mine = [each for each in samples if each.process == process]
        warm = [each for each in mine if each.at_s >= WARM_UP * end_s]
        seconds = [each.at_s for each in warm]
        memory, files = (
            _fit(seconds, [each.rss_mib for each in warm]),
            _fit(seconds, [each.open_files for each in warm]),
        )
        found.append(Trend(process, mine[0], mine[-1], memory, files))
    return found


def _fit(seconds: Sequence[float], values: Sequence[float]) -> Line:
    if len(set(seconds)) < 2:  # noqa: PLR2004 - two points make a line
        return Line(0.0, 0.0)
    slope = float(np.polyfit(seconds, values, 1)[0])
    return Line(slope * _HOUR_S, slope * (seconds[-1] - seconds[0]))
