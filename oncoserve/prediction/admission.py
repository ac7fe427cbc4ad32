"""Who may come in, and in which order: a few batches of work per model, and interactive callers before the background.

Work is counted in inference requests, over all processes of the service: a large picture makes hundreds. Pictures of
more than LARGE_BATCHES batches run one at a time, in order, and small ones flow beside them. The reasons are in
docs/reliability.md.
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
LARGE_BATCHES = 2  # a picture of more inference requests than so many full batches is large
LOOK_AGAIN_S = 0.05  # at what other processes do, which tell nobody


class Lane(IntEnum):
    """Whether somebody waits for the answer."""

    INTERACTIVE = 0
    BACKGROUND = 1


# What is counted for each lane; ASIDE: of the large pictures, those that wait for memory.
REQUESTS, LARGE_PICTURES, LARGE_REQUESTS, RUNNING, ASIDE = range(5)
FIELDS = 5 * len(Lane)
"""Numbers that admission needs of its `SharedCounts`."""


def _field(what: int, lane: Lane) -> int:
    return what * len(Lane) + lane


class Admission:
    """Counts what is under way for each model and refuses what would wait too long, before any work is done for it.

    Args:
        max_batches: full batches of small pictures, and large pictures, per model and lane that may be under way.
        max_wait_s: longest time in seconds that an inference request may take, waiting included.
        shared: where the processes tell each other what is under way; `FIELDS` numbers.
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
        self._traffic: dict[str, Traffic] = {}

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
        in_flight, limit = traffic.counts.total(lane), self._max_batches * batch
        drain_s, allowed_s = traffic.drain_s(), min(self._max_wait_s, within_s)
        late = HEADROOM * (drain_s + traffic.seconds_per_answer) > allowed_s
        # One batch may always come in to each process, so that a rate measured in bad times is measured again.
        if in_flight >= limit or (late and traffic.counts.own(lane) >= batch):
            raise TooBusy(model.name, in_flight, limit, drain_s, allowed_s, _retry_after_s(drain_s))

    @contextmanager
    def place(self, model: ServedModel, lane: Lane = Lane.INTERACTIVE, within_s: float = math.inf) -> Iterator["Place"]:
        """Hold one place, of a picture with one inference request, for the length of the block.

        Raises:
            TooBusy: see `check`.
        """
        self.check(model, lane, within_s)
        place = Place(self._of(model), lane)
        try:
            yield place
        finally:
            place.leave()

    async def fit(self, model: ServedModel, place: "Place", requests: int, within_s: float = math.inf) -> None:
        """Make the place that of a picture with so many inference requests; a large one waits for its turn.

        Raises:
            TooBusy: there are enough large pictures, or those before it would take longer than the caller waits.
        """
        traffic, lane = self._of(model), place.lane
        if requests <= LARGE_BATCHES * _batch(model):
            place.count(requests)
            return
        pictures, ahead = traffic.large(lane)
        drain_s = ahead * traffic.seconds_per_answer
        late = HEADROOM * (ahead + requests) * traffic.seconds_per_answer > within_s
        if pictures >= self._max_batches or (late and pictures):
            retry_after_s = _retry_after_s(drain_s)
            raise TooBusy(model.name, pictures, self._max_batches, drain_s, within_s, retry_after_s, "large pictures")
        await place.take_turn(requests)

    async def give_way(self, model: ServedModel, lane: Lane) -> None:
        """Let the background wait until no interactive request is under way; returns at once for the others."""
        traffic = self._of(model)
        while lane is Lane.BACKGROUND and traffic.somebody_waits:
            await traffic.change()

    @asynccontextmanager
    async def inference(self, model: ServedModel, lane: Lane, place: "Place | None" = None) -> AsyncIterator[None]:
        """Held around each inference request. The background gives way first, and has one batch under way at most."""
        traffic, batch = self._of(model), _batch(model)
        while lane is Lane.BACKGROUND and (traffic.somebody_waits or traffic.inferences[Lane.BACKGROUND] >= batch):
            await traffic.change()
        large = place is not None and place.large
        traffic.begin(lane, large=large)
        try:
            yield
            traffic.measure()  # only of answers: a server that is away refuses quickly, which says nothing
            if place is not None:
                place.answered()
        finally:
            traffic.end(lane, large=large)

    def _of(self, model: ServedModel) -> "Traffic":
        found = self._traffic.get(model.name)
        if found is None:
            look_again_s = LOOK_AGAIN_S if self._shared.shared else None
            found = self._traffic[model.name] = Traffic(self._shared.of(model.name), look_again_s, self._clock)
        return found


class Place:
    """What one picture under way counts as.

    Args:
        traffic: of its model.
        lane: who asks.
    """

    def __init__(self, traffic: "Traffic", lane: Lane) -> None:
        self.lane = lane
        self.large = False
        self._traffic = traffic
        self._requests = 0
        self._turn = False
        self.count(1)

    def count(self, requests: int) -> None:
        """It has so many inference requests before it."""
        self._traffic.counts.add(
            _field(LARGE_REQUESTS if self.large else REQUESTS, self.lane), requests - self._requests
        )
        self._requests = requests

    def answered(self) -> None:
        """One of them was answered; until the end of the picture it counts as one."""
        if self._requests > 1:
            self.count(self._requests - 1)

    async def take_turn(self, requests: int) -> None:
        """Count as a large picture, and wait until those before it are done."""
        traffic, lane = self._traffic, self.lane
        self.count(0)
        self.large = True
        traffic.counts.add(_field(LARGE_PICTURES, lane), 1)
        self.count(requests)
        await traffic.turns[lane].acquire()
        self._turn = True
        while traffic.counts.total(_field(RUNNING, lane)) > 0:  # in another process
            await traffic.change()
        traffic.counts.add(_field(RUNNING, lane), 1)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """While it waits for memory, others may have its place, and the background need not give way.

        It could be the background that holds the memory.
        """
        requests, counts = self._requests, self._traffic.counts
        self.count(0)
        counts.add(_field(ASIDE, self.lane), self.large)
        self._traffic.changed.set()
        try:
            yield
        finally:
            counts.add(_field(ASIDE, self.lane), -self.large)
            self.count(requests)

    def leave(self) -> None:
        """The picture is over."""
        counts = self._traffic.counts
        self.count(0)
        if self.large:
            counts.add(_field(LARGE_PICTURES, self.lane), -1)
        if self._turn:
            counts.add(_field(RUNNING, self.lane), -1)
            self._traffic.turns[self.lane].release()
        self._traffic.changed.set()


class Traffic:
    """What is under way for one model, and how quickly this process gets it done.

    The rate needs no sharing: where two processes ask the same server, each gets its part of the answers, and waits for
    its part of the requests.

    Args:
        counts: of all processes.
        look_again_s: how often to look what other processes do; None where there are none.
        clock: seconds, monotonic.
    """

    def __init__(self, counts: Counts, look_again_s: float | None, clock: Callable[[], float]) -> None:
        self.counts = counts
        self.turns = {lane: asyncio.Lock() for lane in Lane}  # of this process's large pictures
        self._look_again_s = look_again_s
        self.inferences: Counter[Lane] = Counter()
        self._large_inferences = 0
        self.changed = asyncio.Event()
        self._clock = clock
        self._since = 0.0
        self._busy_s = self._answers = 0.0

    @property
    def somebody_waits(self) -> bool:
        """Whether an interactive request is under way, in whichever process, that does not wait for memory."""
        lane, total = Lane.INTERACTIVE, self.counts.total
        return total(lane) + total(_field(LARGE_PICTURES, lane)) > total(_field(ASIDE, lane))

    @property
    def seconds_per_answer(self) -> float:
        """Seconds between two answers while there is work; 0 before the first."""
        return self._busy_s / self._answers if self._answers else 0.0

    def large(self, lane: Lane) -> tuple[int, int]:
        """Large pictures under way, and the inference requests that they still make."""
        return self.counts.total(_field(LARGE_PICTURES, lane)), self.counts.total(_field(LARGE_REQUESTS, lane))

    def drain_s(self) -> float:
        """Seconds until what is before a small picture is done: of a large one only what the server has already.

        A request that is not in inference yet counts as well.
        """
        requests = sum(self.counts.own(lane) for lane in Lane) + self._large_inferences
        return max(requests, self.inferences.total()) * self.seconds_per_answer

    def begin(self, lane: Lane, *, large: bool) -> None:
        """An inference request is sent."""
        if not self.inferences.total():
            self._since = self._clock()
        self.inferences[lane] += 1
        self._large_inferences += large

    def measure(self) -> None:
        """An inference request was answered."""
        now = self._clock()
        self._busy_s = MEMORY * self._busy_s + now - self._since
        self._answers = MEMORY * self._answers + 1
        self._since = now

    def end(self, lane: Lane, *, large: bool) -> None:
        """An inference request is over, whatever came of it."""
        self.inferences[lane] -= 1
        self._large_inferences -= large
        self.changed.set()

    async def change(self) -> None:
        """Wait until something ends; with other processes, at most until it is time to look what they do."""
        self.changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._look_again_s):
                await self.changed.wait()


def _retry_after_s(drain_s: float) -> int:
    return max(1, min(LONGEST_RETRY_S, math.ceil(drain_s)))


def _batch(model: ServedModel) -> int:
    return max(1, model.configuration.max_batch_size)
