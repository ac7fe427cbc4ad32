"""Who may come in, and in which order: a few batches of work per model, and interactive callers before the background.

Everything is counted per process: N worker processes let in N times as much. The reasons are in docs/reliability.md.
"""

import asyncio
import math
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import Enum

from frontend.errors import TooBusy
from frontend.tasks.base import ServedModel

MEMORY = 0.95  # weight of the past at each answer: the last 20 or so make the rate, several batches of most models
HEADROOM = 2  # the rate may halve while a request waits, and its answer still comes in time
LONGEST_RETRY_S = 60


class Lane(Enum):
    """Whether somebody waits for the answer."""

    INTERACTIVE = "interactive"
    BACKGROUND = "background"


class Admission:
    """Counts what is under way for each model and refuses what would wait too long, before any work is done for it.

    Args:
        max_batches: full batches per model and lane that may be under way at once.
        max_wait_s: longest time in seconds that an inference request may take, waiting included.
        clock: seconds, monotonic.
    """

    def __init__(self, max_batches: int, max_wait_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_batches = max_batches
        self._max_wait_s = max_wait_s
        self._traffic: defaultdict[str, _Traffic] = defaultdict(lambda: _Traffic(clock))

    def check(self, model: ServedModel, lane: Lane = Lane.INTERACTIVE, within_s: float = math.inf) -> None:
        """Refuse early, before the body is read.

        Args:
            model: what is asked.
            lane: who asks.
            within_s: seconds that the caller still waits.

        Raises:
            TooBusy: the lane is full, or at half of the measured rate the answer would come too late.
        """
        traffic, batch = self._traffic[model.name], _batch(model)
        in_flight, limit = traffic.requests[lane], self._max_batches * batch
        drain_s, allowed_s = traffic.drain_s(), min(self._max_wait_s, within_s)
        late = HEADROOM * (drain_s + traffic.seconds_per_answer) > allowed_s
        # One batch may always come in, so that a rate measured in bad times is measured again.
        if in_flight >= limit or (late and in_flight >= batch):
            retry_after_s = max(1, min(LONGEST_RETRY_S, math.ceil(drain_s)))
            raise TooBusy(model.name, in_flight, limit, drain_s, allowed_s, retry_after_s)

    @contextmanager
    def place(self, model: ServedModel, lane: Lane = Lane.INTERACTIVE, within_s: float = math.inf) -> Iterator[None]:
        """Hold one place for the length of the block.

        Raises:
            TooBusy: see `check`.
        """
        self.check(model, lane, within_s)
        traffic = self._traffic[model.name]
        traffic.requests[lane] += 1
        try:
            yield
        finally:
            traffic.requests[lane] -= 1
            traffic.changed.set()

    async def give_way(self, model: ServedModel, lane: Lane) -> None:
        """Let the background wait until no interactive request is under way; returns at once for the others."""
        traffic = self._traffic[model.name]
        while lane is Lane.BACKGROUND and traffic.requests[Lane.INTERACTIVE]:
            await traffic.change()

    @asynccontextmanager
    async def inference(self, model: ServedModel, lane: Lane) -> AsyncIterator[None]:
        """Held around each inference request. The background gives way first, and has one batch under way at most."""
        traffic, batch = self._traffic[model.name], _batch(model)
        while lane is Lane.BACKGROUND and (
            traffic.requests[Lane.INTERACTIVE] or traffic.inferences[Lane.BACKGROUND] >= batch
        ):
            await traffic.change()
        traffic.begin(lane)
        try:
            yield
            traffic.measure()  # only of answers: a server that is away refuses quickly, which says nothing
        finally:
            traffic.end(lane)


class _Traffic:
    """What is under way for one model, and how quickly it gets done."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.requests: Counter[Lane] = Counter()
        self.inferences: Counter[Lane] = Counter()
        self.changed = asyncio.Event()
        self._clock = clock
        self._since = 0.0
        self._busy_s = self._answers = 0.0

    @property
    def seconds_per_answer(self) -> float:
        """Seconds between two answers while there is work; 0 before the first."""
        return self._busy_s / self._answers if self._answers else 0.0

    def drain_s(self) -> float:
        """Seconds until what is under way now is done; a request that is not in inference yet counts as one."""
        return max(self.requests.total(), self.inferences.total()) * self.seconds_per_answer

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
        """Wait until something ends."""
        self.changed.clear()
        await self.changed.wait()


def _batch(model: ServedModel) -> int:
    return max(1, model.configuration.max_batch_size)
