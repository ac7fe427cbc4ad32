"""Time for leases and expiry, which does not jump with the clock of the machine.

The clock of a machine can be set to any time; its uptime cannot. Both are written down together in the folder of the
results, so that all processes, and those that are started later, know how much time has really passed.
"""

import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from oncoserve.runtime.files import write_whole

FILE: Final = ".clock"
TRUSTED_S: Final = 600.0
"""How long a machine may have been off, by its clock, and be believed at once."""

WATCHED_S: Final = 3600.0
"""For how long a machine has to show a later time after its start until it is believed that it was off so long."""

RATE: Final = 0.1
"""How much faster or slower than the uptime the calendar runs until it shows the time of the machine's clock."""

TOLD_S: Final = 60.0  # a difference that is worth a line in the log

log = logging.getLogger(__name__)


def uptime_s() -> float:
    """Seconds since the machine's start, those in suspension included; as a file, which no clock's offset reaches."""
    file = os.open("/proc/uptime", os.O_RDONLY | os.O_CLOEXEC)  # a Path's text takes five times as long
    try:
        return float(os.read(file, 64).split()[0])
    finally:
        os.close(file)


def boot_id() -> str:
    """Names this start of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True)
class _Mark:
    """What the clock showed at one moment.

    Attributes:
        steady, calendar: seconds since 1970; see `ServiceClock`.
        uptime: seconds.
        boot: names the start of the machine that the uptime counts from.
        doubt_until: uptime at which a later time of the machine's clock is believed; None where it need not be.
    """

    steady: float
    calendar: float
    uptime: float
    boot: str
    doubt_until: float | None = None


class Clock(Protocol):
    """Three readings of one clock, all in seconds since 1970."""

    def steady(self) -> float:
        """For leases."""
        ...

    def now(self) -> float:
        """For ages: what is older than its life by this time has expired."""
        ...

    def stamp(self) -> float:
        """For the birth of new things."""
        ...

    def tick(self) -> None:
        """Called every few seconds.

        Raises:
            OSError: the folder cannot be written.
        """
        ...


class WallClock:
    """The machine's clock as it is, where somebody else sees to it that it is right, as AWS does."""

    def steady(self) -> float:
        """See `Clock`."""
        return time.time()

    now = stamp = steady

    def tick(self) -> None:
        """See `Clock`."""


class ServiceClock:
    """A clock that is right as long as nobody sets the machine's, and does not jump when somebody does.

    `steady` counts the seconds in which the machine ran: for leases. `now` tells ages; it follows the machine's clock
    by a tenth of the time that passes, and after a start of the machine at once, unless it would be late by more than
    `TRUSTED_S`: then not before the machine has shown that time for `WATCHED_S`. `stamp` is what gets written on new
    things; it is `now`, or the later time that is not believed yet, so that nothing new is old when it is.

    Args:
        folder: where the clock is written down; a missing one is not made.
        wall: the machine's clock, in seconds since 1970.
        uptime: see `uptime_s`.
        boot: see `boot_id`.
    """

    def __init__(
        self,
        folder: Path,
        wall: Callable[[], float] = time.time,
        uptime: Callable[[], float] = uptime_s,
        boot: Callable[[], str] = boot_id,
    ) -> None:
        self._folder = folder
        self._wall = wall
        self._uptime = uptime
        self._boot = boot()
        self._told = False
        self._mark = self._begin()

    def steady(self) -> float:
        """For leases: never jumps, and stands still while the machine is off."""
        return self._mark.steady + self._elapsed_s(self._mark)

    def now(self) -> float:
        """For ages: what is older than its life by this time has expired."""
        return self._mark.calendar + self._elapsed_s(self._mark)

    def stamp(self) -> float:
        """For the birth of new things."""
        return self.now() if self._mark.doubt_until is None else max(self.now(), self._wall())

    def ahead_s(self) -> float:
        """By how many seconds the machine's clock is ahead of `now`."""
        return self._wall() - self.now()

    def tick(self) -> None:
        """Follow the machine's clock a little, and write down where this one is. Called every few seconds.

        Raises:
            OSError: the folder cannot be written.
        """
        others = self._read()
        if others is not None and others.boot == self._boot and others.uptime > self._mark.uptime:
            self._mark = others
        self._mark = self._follow(self._mark)
        self._tell()
        if self._folder.is_dir():
            write_whole(self._folder / FILE, json.dumps(asdict(self._mark)).encode())

    def _follow(self, mark: _Mark) -> _Mark:
        elapsed_s = self._elapsed_s(mark)
        mark = replace(
            mark, steady=mark.steady + elapsed_s, calendar=mark.calendar + elapsed_s, uptime=mark.uptime + elapsed_s
        )
        ahead_s = self._wall() - mark.calendar
        if mark.doubt_until is not None:
            if ahead_s > TRUSTED_S and mark.uptime < mark.doubt_until:
                return mark
            if ahead_s > TRUSTED_S:
                log.warning("the machine was off, as its clock says; what has expired goes", extra={"off_s": ahead_s})
                return replace(mark, calendar=mark.calendar + ahead_s, doubt_until=None)
        most_s = RATE * elapsed_s
        return replace(mark, calendar=mark.calendar + max(-most_s, min(most_s, ahead_s)), doubt_until=None)

    def _begin(self) -> _Mark:
        mark, wall, uptime = self._read(), self._wall(), self._uptime()
        if mark is not None and mark.boot == self._boot and mark.uptime <= uptime:
            return mark
        if mark is None:
            mark = _Mark(wall, self._last_use(wall), uptime, "")
        mark = replace(mark, uptime=uptime, boot=self._boot, doubt_until=None)
        late_s = wall - mark.calendar
        if 0 <= late_s <= TRUSTED_S:
            return replace(mark, calendar=wall)
        if late_s < 0:
            return mark
        log.warning(
            "the clock is far ahead of when the service ran last; nothing expires until it has been so for a while",
            extra={"ahead_s": late_s, "watched_s": WATCHED_S},
        )
        return replace(mark, doubt_until=uptime + WATCHED_S)

    def _tell(self) -> None:
        """Say once that the clock jumped, and once that it is right again."""
        jumped = abs(self.ahead_s()) > TOLD_S and self._mark.doubt_until is None
        if jumped and not self._told:
            log.warning("the clock of the machine jumped; nothing expires for it", extra={"ahead_s": self.ahead_s()})
        self._told = jumped

    def _elapsed_s(self, mark: _Mark) -> float:
        return max(0.0, self._uptime() - mark.uptime)

    def _last_use(self, wall: float) -> float:
        """When a version of the service that kept no clock last made a result, as far as it was not later than now."""
        times = [wall]
        times += [path.stat().st_mtime for path in self._folder.glob("[0-9a-f][0-9a-f]")]
        times += [path.stat().st_mtime for path in self._folder.glob("keys/*/[0-9a-f][0-9a-f]")]
        return wall if len(times) == 1 else min(wall, max(times[1:]))

    def _read(self) -> _Mark | None:
        try:
            return _Mark(**json.loads((self._folder / FILE).read_bytes()))
        except (OSError, ValueError, TypeError):  # not there, or damaged: as if there had been none
            return None
