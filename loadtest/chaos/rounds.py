"""One fault after another on a service under load."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from loadtest.chaos.fault_kinds import Scene
from loadtest.chaos.faults import Fault
from loadtest.chaos.judged_answers import Asker, JobLedger, Judgement
from loadtest.chaos.leftovers import Holdings, left_after
from loadtest.chaos.recovery import Recovery
from loadtest.chaos.whole_service import HurtService, LivingFamily
from loadtest.shared.process_family import MemoryWatch
from testbed.failures import ServerFailed

GIVE_UP_S: Final = 90.0  # beyond the bound, so that the table says how long it takes
SHOWS_S: Final = 5.0  # in which a fault shows, where it does
REST_S: Final = 20.0
UPLOAD_PAUSE_S: Final = 0.2
AGAIN_S: Final = 1.0


@dataclass
class Outcome:
    """What came of one fault.

    Attributes:
        fault: Its name.
        recovered_s: Seconds until everything was right again, from the fault on (of a full disk: from its end on).
        after_s: The same after the fault's end; NaN where it has none.
        missing: What was not right when patience ended.
        judgement: Of the answers meanwhile.
        left: What is held that was not held before.
        peak_mib: The most memory of the service, of all its processes (PSS).
        notes: Of the fault itself.
        skipped: Why it was not done; empty where it was.
    """

    fault: str
    recovered_s: float = math.nan
    after_s: float = math.nan
    missing: list[str] = field(default_factory=list)
    judgement: Judgement = field(default_factory=Judgement)
    left: list[str] = field(default_factory=list)
    peak_mib: float = math.nan
    notes: list[str] = field(default_factory=list)
    skipped: str = ""

    def broken(self, within_s: float, max_mib: float) -> list[str]:
        """The bounds that are broken, in words."""
        if self.skipped:
            return []
        found = list(self.judgement.told)
        slow = max(each for each in (self.recovered_s, self.after_s) if not math.isnan(each))
        if not slow <= within_s:
            what = f" ({', '.join(self.missing)})" if self.missing else ""
            found.append(f"not right within {within_s:g} s: {slow:.1f} s{what}")
        found += [f"left: {each}" for each in self.left]
        if self.peak_mib > max_mib:
            found.append(f"{self.peak_mib:.0f} MiB, at most {max_mib:g}")
        return found


class Load:
    """Uploads to every model and jobs, all the time.

    Args:
        asker: Knows the right answers.
        ledger: Gets the jobs.
        jobs_per_s: Jobs that are sent.
    """

    def __init__(self, asker: Asker, ledger: JobLedger, jobs_per_s: float) -> None:
        self._asker, self._ledger, self._pause_s = asker, ledger, 1 / jobs_per_s
        self.sent = 0

    @asynccontextmanager
    async def going(self) -> AsyncIterator[None]:
        """For the length of the block."""
        tasks = [asyncio.create_task(self._upload(model)) for model in self._asker.models]
        tasks += [asyncio.create_task(self._send()), asyncio.create_task(self._look())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for end in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(end, Exception):
                    raise end  # a defect of this harness

    async def send_up_to(self, count: int) -> None:
        """Send what is missing of so many jobs."""
        async with self._asker.client() as http:
            while self.sent < count:
                await self._submit(http)

    async def _upload(self, model: str) -> None:
        async with self._asker.client() as http:
            while True:
                await self._asker.upload(http, model)
                await asyncio.sleep(UPLOAD_PAUSE_S)

    async def _send(self) -> None:
        async with self._asker.client() as http:
            while True:
                await self._submit(http)
                await asyncio.sleep(self._pause_s)

    async def _submit(self, http: httpx.AsyncClient) -> None:
        if self._ledger.accept(await self._asker.submit(http)) is not None:
            self.sent += 1
        else:
            await asyncio.sleep(AGAIN_S)

    async def _look(self) -> None:
        async with self._asker.client() as http:
            while True:
                for address in [*self._ledger.open]:
                    if address in self._ledger.open:
                        await self._ledger.look(http, self._asker, address)
                await asyncio.sleep(AGAIN_S)


class Rounds:
    """The faults, one at a time.

    Args:
        service: Started and ready.
        asker: Has learnt the right answers.
        clock: The file by which the clock jumps, where the service runs under faketime.
        jobs_per_s: Of the load.
    """

    def __init__(self, service: HurtService, asker: Asker, clock: Path | None, jobs_per_s: float) -> None:
        self._service, self._asker, self._clock = service, asker, clock
        self.ledger = JobLedger()
        self.load = Load(asker, self.ledger, jobs_per_s)
        self._at_rest: Holdings | None = None

    async def warm_up(self) -> float:
        """Let everything be used once; gives the seconds until all was right."""
        async with self.load.going():
            well_s = await Recovery(self._asker, self.ledger).wait(GIVE_UP_S, at_least_s=2 * SHOWS_S)
        await asyncio.sleep(1)
        self._at_rest = await asyncio.to_thread(Holdings.of, self._service)
        if not self._at_rest.whole:
            raise ServerFailed(f"what the service holds cannot be read: {self._at_rest}")
        return well_s

    async def run(self, fault: Fault) -> Outcome:
        """Do it, and see what comes of it."""
        outcome = Outcome(fault.name)
        self._asker.now = outcome.judgement
        scene = Scene(self._service, fault.role, fault.seconds, self._clock, outcome.notes)
        if fault.role and not scene.victims():
            outcome.skipped = f"there is no {fault.role}"
            return outcome
        with MemoryWatch(LivingFamily(self._service)) as watch, contextlib.ExitStack() as stack:
            keeper = asyncio.create_task(self._start_again(outcome)) if fault.ends_service else None
            stack.callback(lambda: keeper and keeper.cancel())
            async with self.load.going():
                recovery = Recovery(self._asker, self.ledger)

                def gone() -> bool:
                    return self._service.ended and not fault.ends_service

                async with fault.do(scene):
                    lasts_s = max(SHOWS_S, min(fault.seconds, 2 * SHOWS_S))
                    outcome.recovered_s = await recovery.wait(GIVE_UP_S, at_least_s=lasts_s, gone=gone)
                    outcome.missing = recovery.missing()
                if fault.seconds:  # what is over at once has no end to be looked at
                    outcome.after_s = await recovery.wait(GIVE_UP_S, gone=gone)
                    outcome.missing += recovery.missing()
        outcome.peak_mib = watch.peak_mib
        if self._service.ended:
            outcome.left.append("the service has ended, and nothing brought it back")
            await asyncio.to_thread(self._service.__enter__)
        elif self._at_rest is not None and not recovery.missing():
            outcome.left = await asyncio.to_thread(left_after, self._service, self._at_rest, REST_S)
        return outcome

    async def settle(self, count: int) -> None:
        """Send what is missing of so many jobs, and wait for the end of all."""
        if self._service.ended:
            return
        await self.load.send_up_to(count)
        async with self._asker.client() as http:
            await self.ledger.settle(http, self._asker, within_s=120 + count / 5)

    async def _start_again(self, outcome: Outcome) -> None:
        """What Compose does (`restart: unless-stopped`), and a person at a terminal: start a service that has ended."""
        while True:
            if self._service.ended:
                started = time.monotonic()
                self._service.start()
                outcome.notes.append("started again by the harness, as Compose does")
                await asyncio.sleep(max(0, started + AGAIN_S - time.monotonic()))
            await asyncio.sleep(UPLOAD_PAUSE_S)


def in_order(faults: Sequence[Fault]) -> list[Fault]:
    """Those that end the service as a whole last."""
    return sorted(faults, key=lambda fault: fault.ends_service)
