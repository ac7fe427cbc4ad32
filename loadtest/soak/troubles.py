"""Hurts the service while it is soaked, one fault after another, and says how soon it was right again."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from loadtest.chaos.fault_kinds import Scene
from loadtest.chaos.faults import Fault, named
from loadtest.chaos.judged_answers import Asker, JobLedger
from loadtest.chaos.recovery import Recovery
from loadtest.chaos.rounds import GIVE_UP_S, SHOWS_S, Outcome
from loadtest.chaos.whole_service import HurtService

FAULTS: Final = ("kill", "freeze", "starve")
SECONDS: Final = 20.0  # that each lasts
PAUSE_S: Final = 10.0


def chosen() -> list[Fault]:
    """The faults of one process that a service is expected to survive as a whole."""
    return [replace(each, seconds=min(each.seconds, SECONDS)) for each in named(FAULTS) if not each.ends_service]


class Troubles:
    """Faults, in turn.

    Args:
        service: Started and ready.
        faults: What is done to it.
        seed: Decides pictures.
    """

    def __init__(self, service: HurtService, faults: Sequence[Fault], seed: int) -> None:
        self._service, self._faults, self._seed = service, list(faults), seed
        self.outcomes: list[Outcome] = []

    async def run(self, models: Sequence[str], seconds: float, troubled: Callable[[bool], None]) -> None:
        """One fault after another, each once, as many as fit into the time.

        Args:
            models: Whose answers have to be right again.
            seconds: After which no other begins.
            troubled: Told when a fault begins, and when the service is right again.
        """
        until = time.monotonic() + seconds
        asker = Asker(self._service.url, models, self._seed)
        await asker.learn()
        for fault in self._faults:
            if time.monotonic() > until:
                return
            troubled(True)  # noqa: FBT003 - what it says
            self.outcomes.append(await self._hurt(asker, fault))
            troubled(False)  # noqa: FBT003 - the same
            await asyncio.sleep(PAUSE_S)

    async def _hurt(self, asker: Asker, fault: Fault) -> Outcome:
        outcome = Outcome(fault.name)
        asker.now = outcome.judgement
        ledger = JobLedger()
        recovery = Recovery(asker, ledger)
        scene = Scene(self._service, fault.role, fault.seconds)
        if not scene.victims():
            outcome.skipped = f"there is no {fault.role}"
            return outcome

        def gone() -> bool:
            return self._service.ended

        async with fault.do(scene):
            outcome.recovered_s = await recovery.wait(GIVE_UP_S, at_least_s=SHOWS_S, gone=gone)
            outcome.missing = recovery.missing()
        outcome.after_s = await recovery.wait(GIVE_UP_S, gone=gone)
        async with asker.client() as http:
            await ledger.settle(http, asker, GIVE_UP_S)
        outcome.left = [f"job {text}" for text in (*ledger.lost, *ledger.failed, *ledger.wrong)]
        return outcome
