"""Asks without pause whether the service answers rightly, and says since when it does."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import httpx

from loadtest.chaos.judged_answers import JOB_PATIENCE_S, REFUSED, RIGHT, Asker, JobLedger

PAUSE_S: Final = 0.25
QUIET_S: Final = 5.0  # without a wrong or missing answer, before the service counts as well again


@dataclass
class _Sign:
    """The newest good and bad of one thing that has to work, in seconds of the monotonic clock."""

    bad_at: float
    good_at: float = 0.0
    first_good_at: float = 0.0

    def note(self, started: float, *, good: bool) -> None:
        """Take note of one attempt that started then."""
        if not good:
            self.bad_at = max(self.bad_at, started)
            self.first_good_at = 0.0
        elif started > self.bad_at:
            self.good_at = time.monotonic()
            self.first_good_at = self.first_good_at or self.good_at


@dataclass
class Recovery:
    """Whether everything works: readiness, an upload to each model, a result from before, a new job.

    Args:
        asker: Knows the right answers.
        ledger: Gets the jobs.
    """

    asker: Asker
    ledger: JobLedger
    signs: dict[str, _Sign] = field(default_factory=dict)
    began: float = 0.0

    async def wait(self, limit_s: float, *, at_least_s: float = 0.0, gone: Callable[[], bool] = lambda: False) -> float:
        """Wait until all of it has worked for a while.

        Args:
            limit_s: Give up then.
            at_least_s: Look for so long in any case, since a fault may show late.
            gone: Whether there is nothing to wait for any more.

        Returns:
            Seconds until it worked, counted from now; infinity where it did not.
        """
        self.began = time.monotonic()
        checks = self._checks()
        self.signs = {name: _Sign(self.began) for name in checks}
        tasks = [asyncio.create_task(self._keep(name, check)) for name, check in checks.items()]
        try:
            while True:
                await asyncio.sleep(PAUSE_S)
                for task in tasks:
                    if task.done():
                        task.result()  # a defect of this harness
                now = time.monotonic()
                well_s = self.well_after_s()
                if well_s is not None and now - self.began >= at_least_s:
                    return well_s
                if gone() or now - self.began > limit_s + at_least_s:
                    return float("inf")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def well_after_s(self) -> float | None:
        """Seconds until everything worked, and has gone on working since; None where it does not."""
        now = time.monotonic()
        if any(not sign.first_good_at or now - sign.bad_at < QUIET_S for sign in self.signs.values()):
            return None
        return max(sign.first_good_at - self.began for sign in self.signs.values())

    def missing(self) -> list[str]:
        """What does not work at the moment."""
        now = time.monotonic()
        return [name for name, sign in self.signs.items() if not sign.first_good_at or now - sign.bad_at < QUIET_S]

    def _checks(self) -> dict[str, Callable[[httpx.AsyncClient], Awaitable[bool | None]]]:
        def upload_to(model: str) -> Callable[[httpx.AsyncClient], Awaitable[bool]]:
            async def upload(http: httpx.AsyncClient) -> bool:
                return await self.asker.upload(http, model) == RIGHT

            return upload

        return {
            "readiness": self._ready,
            "old results": self._kept,
            "jobs": self._job,
            **{f"uploads to {model}": upload_to(model) for model in self.asker.models},
        }

    async def _keep(self, name: str, check: Callable[[httpx.AsyncClient], Awaitable[bool | None]]) -> None:
        async with self.asker.client() as http:
            while True:
                started = time.monotonic()
                good = await check(http)
                if good is not None:
                    self.signs[name].note(started, good=good)
                await asyncio.sleep(PAUSE_S)

    async def _ready(self, http: httpx.AsyncClient) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return (await http.get("/readyz")).status_code == HTTPStatus.OK
        return False

    async def _kept(self, http: httpx.AsyncClient) -> bool:
        return await self.asker.read_kept(http) in {RIGHT, REFUSED}

    async def _job(self, http: httpx.AsyncClient) -> bool:
        address = self.ledger.accept(await self.asker.submit(http))
        deadline = time.monotonic() + JOB_PATIENCE_S
        while address is not None and time.monotonic() < deadline:
            if await self.ledger.look(http, self.asker, address):
                return True
            await asyncio.sleep(PAUSE_S)
        return False
