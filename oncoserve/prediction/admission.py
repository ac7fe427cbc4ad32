"""Who may come in, and in which order: a few batches of work per model, and interactive callers before the background.

What is under way is counted over all processes of the service. The reasons are in docs/reliability.md.
"""

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import IntEnum

from oncoserve.errors import TooBusy
from oncoserve.runtime.sharing import Counts, SharedCounts
from oncoserve.tasks.base import ServedModel

MEMORY = 0.95  # weight of the past at each answer: the last 20 or so make the rate, several batches of most models
HEADROOM = 2  # the rate may halve while a request waits, and its answer still comes in time
LONGEST_RETRY_S = 60
LOOK_AGAIN_S = 0.05  # at what other processes do, which tell nobody


class Lane(IntEnum):
    """Whether somebody waits for the answer."""

    INTERACTIVE = 0
    BACKGROUND = 1


class Admission:
    """Counts what is under way for each model and refuses what would wait too long, before any work is done for it.

    Args:
        max_batches: full batches per model and lane that may be under way at once.
        max_wait_s: longest time in seconds that an inference request may take, waiting included.
        shared: where the processes tell each other what is under way; a number for each lane.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        max_batches: int,
        max_wait_s: float,
        shared: SharedCounts,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_batches = max_batches
        self._max_wait_s = max_wait_s
        self._shared = shared
        self._clock = clock
        self._traffic: dict[str, _Traffic] = {}

    def check(self, model: ServedModel, lane: Lane = Lane.INTERACTIVE, within_s: float = math.inf) -> None:
        """Refuse early, before the body is read.

        Args:
            model: what is asked.
            lane: who asks.
            within_s: seconds that the caller still waits.

        Raises:
            TooBusy: the lane is full, or at half of the measured rate the answer would come too late.
        """
        traffic, batch = self._of(model), _batch(model)
        in_flight, limit = traffic.requests.total(lane), self._max_batches * batch
        drain_s, allowed_s = traffic.drain_s(), min(self._max_wait_s, within_s)
        late = HEADROOM * (drain_s + traffic.seconds_per_answer) > allowed_s
        # One batch may always come in to each process, so that a rate measured in bad times is measured again.
        if in_flight >= limit or (late and traffic.requests.own(lane) >= batch):
            retry_after_s = max(1, min(LONGEST_RETRY_S, math.ceil(drain_s)))
            raise TooBusy(model.name, in_flight, limit, drain_s, allowed_s, retry_after_s)

    @contextmanager
    def place(self, model: ServedModel, lane: Lane = Lane.INTERACTIVE, within_s: float = math.inf) -> Iterator[None]:
        """Hold one place for the length of the block.

        Raises:
            TooBusy: see `check`.
        """
        self.check(model, lane, within_s)
        traffic = self._of(model)
        traffic.requests.add(lane, 1)
        try:
            yield
        finally:
            traffic.requests.add(lane, -1)
            traffic.changed.set()

    async def give_way(self, model: ServedModel, lane: Lane) -> None:
        """Let the background wait until no interactive request is under way; returns at once for the others."""
        traffic = self._of(model)
        while lane is Lane.BACKGROUND and traffic.somebody_waits:
            await traffic.change()

    @asynccontextmanager
    async def inference(self, model: ServedModel, lane: Lane) -> AsyncIterator[None]:
        """Held around each inference request. The background gives way first, and has one batch under way at most."""
        traffic, batch = self._of(model), _batch(model)
        while lane is Lane.BACKGROUND and (traffic.somebody_waits or traffic.inferences[Lane.BACKGROUND] >= batch):
            await traffic.change()
        traffic.begin(lane)
        try:
            yield
            traffic.measure()  # only of answers: a server that is away refuses quickly, which says nothing
        finally:
            traffic.end(lane)

    def _of(self, model: ServedModel) -> "_Traffic":
        found = self._traffic.get(model.name)
        if found is None:
            look_again_s = LOOK_AGAIN_S if self._shared.shared else None
            found = self._traffic[model.name] = _Traffic(self._shared.of(model.name), look_again_s, self._clock)
        return found


class _Traffic:
    """What is under way for one model, and how quickly this process gets it done.

    The rate needs no sharing: where two processes ask the same server, each gets its part of the answers, and waits for
    its part of the requests.
    """

    def __init__(self, requests: Counts, look_again_s: float | None, clock: Callable[[], float]) -> None:
        self.requests = requests
        self._look_again_s = look_again_s
        self.inferences: Counter[Lane] = Counter()
        self.changed = asyncio.Event()
        self._clock = clock
        self._since = 0.0
        self._busy_s = self._answers = 0.0

    @property
    def somebody_waits(self) -> bool:
        """Whether an interactive request is under way, in whichever process."""
        return self.requests.total(Lane.INTERACTIVE) > 0

    @property
    def seconds_per_answer(self) -> float:
        """Seconds between two answers while there is work; 0 before the first."""
        return self._busy_s / self._answers if self._answers else 0.0

    def drain_s(self) -> float:
        """Seconds until what is under way now is done; a request that is not in inference yet counts as one."""
        requests = sum(self.requests.own(lane) for lane in Lane)
        return max(requests, self.inferences.total()) * self.seconds_per_answer

    def begin(self, lane: Lane) -> None:
        """An inference request is sent."""
        if not self.inferences.total():
            self._since = self._clock()
        self.inferences[lane] += 1

    def measure(self) -> None:
        """An inference request was answered."""
        now = self._clock()
        self._busy_s = MEMORY * self._busy_s + now - self._since
        self._answers = MEMORY * self._answers + 1
        self._since = now

    def end(self, lane: Lane) -> None:
        """An inference request is over, whatever came of it."""
        self.inferences[lane] -= 1
        self.changed.set()

    async def change(self) -> None:
        """Wait until something ends; with other processes, at most until it is time to look what they do."""
        self.changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._look_again_s):
                await self.changed.wait()


def _batch(model: ServedModel) -> int:
    return max(1, model.configuration.max_batch_size)
