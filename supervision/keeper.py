"""Keeps one part running: brings back what died or hangs, with growing pauses, until it is told to stop."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from supervision.child import Child
from supervision.heartbeat import Heartbeat


class Cause(StrEnum):
    """Why a part had to be brought back."""

    EXIT = "exit"
    SIGNAL = "signal"
    HUNG = "hung"
    START = "start"


@dataclass(frozen=True)
class Loss:
    """A part that ended, or could not be started, and will be started again.

    Attributes:
        part: Its name.
        cause: Why.
        detail: The same in words.
        pause_s: Seconds until it is started again; None where it is given up.
    """

    part: str
    cause: Cause
    detail: str
    pause_s: float | None


@dataclass(frozen=True)
class Patience:
    """How long is waited for what.

    Attributes:
        first_pause_s, longest_pause_s: Seconds before a part is started again; doubled with each loss in a row.
        settled_s: A part that ran so long begins again with the first pause.
        look_s: Seconds between two looks at its heartbeat.
        silent_looks: It hangs when so many looks in a row found no beat. Looks are counted, not seconds: where a whole
            machine was suspended, nobody looked either.
        first_looks: The same until its first beat, which comes after imports and start-up.
        most_vain_starts: It is given up after so many starts in a row that came to nothing: it ended before its first
            beat or, where it never gave one, within `settled_s`. None means never.
    """

    first_pause_s: float = 0.2
    longest_pause_s: float = 10.0
    settled_s: float = 30.0
    look_s: float = 1.0
    silent_looks: int = 10
    first_looks: int = 60
    most_vain_starts: int | None = None


class Keeper:
    """Starts a part, watches it, and starts it again.

    Args:
        part: Its name.
        start: Starts it.
        report: Told of each loss, before the pause.
        heartbeat: Its sign of life; None for a part that gives none.
        is_final: Whether an exit code is an end that is not a loss, such as that of a part that refuses its settings;
            gets the exit code and the seconds that the part ran.
        patience: How long is waited for what.
    """

    def __init__(
        self,
        part: str,
        start: Callable[[], Child],
        report: Callable[[Loss], None],
        heartbeat: Heartbeat | None = None,
        is_final: Callable[[int, float], bool] = lambda _code, _ran_s: False,
        patience: Patience = Patience(),
    ) -> None:
        self.part = part
        self.child: Child | None = None
        self._start = start
        self._report = report
        self._heartbeat = heartbeat
        self._is_final = is_final
        self._patience = patience
        self._stopping = asyncio.Event()
        self._condemned = ""

    async def run(self) -> int:
        """Keep it running until `stop`, until it ends in a way that is final, or until it is given up.

        Returns:
            Its last exit code; 0 where it was never started, 1 where that is why it is given up.
        """
        losses = vain_starts = 0
        code = 0
        while not self._stopping.is_set():
            beats = self._beats()
            ran_s = 0.0
            try:
                self.child = self._start()
            except OSError as error:
                loss = Cause.START, error.strerror or str(error)
            else:
                hung = await self._watch(self.child)
                code = await self.child.kill()  # and what it left in its group
                ran_s = time.monotonic() - self.child.started
                if self._stopping.is_set() or (not hung and self._is_final(code, ran_s)):
                    break
                loss = (Cause.HUNG, hung) if hung else _cause(code)
            settled = ran_s > self._patience.settled_s
            worked = self._beats() > beats or (settled and self._beats() == 0)
            vain_starts = 0 if worked else vain_starts + 1
            losses = 0 if settled else losses
            if vain_starts == self._patience.most_vain_starts:
                self._report(Loss(self.part, *loss, None))
                return code or 1
            pause_s = min(self._patience.first_pause_s * 2 ** min(losses, 30), self._patience.longest_pause_s)
            losses += 1
            self._report(Loss(self.part, *loss, pause_s))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()
        return code

    def signal(self, number: int) -> None:
        """Send the part a signal, if it runs."""
        if self.child is not None:
            self.child.signal(number)

    async def replace(self, detail: str) -> None:
        """End it as one that hangs, so that it is started again.

        Args:
            detail: What is wrong with it, in words.
        """
        if self.child is not None and self.child.exit_code is None:
            self._condemned = detail
            await self.child.kill()

    def retire(self) -> None:
        """Start it no more when it ends."""
        self._stopping.set()

    async def stop(self, grace_s: float) -> None:
        """End it, and start it no more: SIGTERM, after `grace_s` seconds SIGKILL."""
        self.retire()
        if self.child is not None:
            await self.child.stop(grace_s)

    def _beats(self) -> int:
        return 0 if self._heartbeat is None else self._heartbeat.count

    async def _watch(self, child: Child) -> str:
        """Wait for its end; returns why it was ended, if that was because it hung."""
        self._condemned = ""
        ending = asyncio.ensure_future(child.exited())
        first = last = self._beats()
        silent = 0
        while not (await asyncio.wait([ending], timeout=self._patience.look_s))[0]:
            count = self._beats()
            silent = silent + 1 if count == last else 0
            last = count
            allowed = self._patience.first_looks if count == first else self._patience.silent_looks
            if self._heartbeat is not None and silent >= allowed:
                await child.kill()
                return "it gave no sign of life"
        return self._condemned


def _cause(code: int) -> tuple[Cause, str]:
    if code <= 128:  # noqa: PLR2004 - where a shell's codes for signals begin
        return Cause.EXIT, f"it ended with exit code {code}"
    try:
        name = signal.Signals(code - 128).name
    except ValueError:
        return Cause.EXIT, f"it ended with exit code {code}"
    return Cause.SIGNAL, f"it was ended by {name}"
