"""A burst of images through a queue and workers that are scaled on the backlog, as a discrete-event simulation.

One queue with a visibility timeout; workers that boot, hold a few leases, work on one image at a time, can be killed,
and give back what they have not begun when they are told to leave; a policy that looks at the backlog now and then.
Only numbers of images are kept, so a million of them take seconds.
"""

import heapq
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

HOUR_S = 3600.0
LEAST_BILLED_S = 60.0  # EC2 bills Linux by the second, with a minimum of one minute


@dataclass(frozen=True)
class Scenario:
    """What is simulated.

    Args:
        images: how many come.
        images_per_hour: what one worker does.
        variation: standard deviation of the time for an image over its mean (gamma distributed); 0 is always the same.
        arrivals_per_s: how fast they come; infinity is all at once.
        target_backlog: visible images per worker that the policy aims at.
        evaluate_s: seconds between two looks of the policy.
        boot_s: from the launch of an instance to its first image.
        cooldown_s: for how long fewer workers must have been enough before any is ended.
        min_workers: never fewer.
        max_workers: never more.
        in_flight: images that a worker has leased at once, the one it works on among them.
        visibility_timeout_s: after which a killed worker's images are visible again.
        kills_per_hour: how often a worker is killed, spot interruptions for example.
        price_per_hour: of an instance, in US dollars.
        seed: decides times and kills.
    """

    images: int
    images_per_hour: float
    variation: float = 0.3
    arrivals_per_s: float = math.inf
    target_backlog: float = 1000
    evaluate_s: float = 60
    boot_s: float = 180
    cooldown_s: float = 300
    min_workers: int = 0
    max_workers: int = 100
    in_flight: int = 8
    visibility_timeout_s: float = 30
    kills_per_hour: float = 0
    price_per_hour: float = 0.0
    seed: int = 0


@dataclass
class Worker:
    """One instance, from its launch to its end."""

    launched_s: float
    ready: bool = False
    leaving: bool = False
    leased: int = 0
    begun_s: float | None = None  # when the image under work was begun


@dataclass(frozen=True)
class Sample:
    """The state when the policy looked."""

    at_s: float
    visible: int
    leased: int
    hidden: int
    done: int
    workers: int


@dataclass
class Outcome:
    """What became of it. Times are seconds since the first image."""

    done: int = 0
    begun: int = 0
    drained_s: float = 0.0
    ended_s: float = 0.0
    peak_workers: int = 0
    launches: int = 0
    kills: int = 0
    billed_s: float = 0.0
    busy_s: float = 0.0
    booting_s: float = 0.0
    cost: float = 0.0
    samples: list[Sample] = field(default_factory=list)

    @property
    def idle_share(self) -> float:
        """Share of the billed time in which no image was finished: boots, waits and work that was lost."""
        return 1 - self.busy_s / self.billed_s if self.billed_s else 0.0


class Simulation:
    """One run; call `run` once."""

    def __init__(self, scenario: Scenario) -> None:
        self._has = scenario
        self._random = random.Random(scenario.seed)  # noqa: S311 - reproducible, not secret
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._workers: dict[int, Worker] = {}
        self._numbers = itertools.count()
        self._now = 0.0
        self._arrived = self._visible = self._hidden = 0
        self._low_since: float | None = None
        self._outcome = Outcome()

    def run(self) -> Outcome:
        """Go on until every image is done and no worker is left beyond the least number."""
        self._arrive()
        for _ in range(self._has.min_workers):
            self._launch()
        self._evaluate()
        while self._events and not self._finished():
            self._now, _, event = heapq.heappop(self._events)
            event()
        for number in list(self._workers):
            self._end(number)
        self._outcome.ended_s = self._now
        self._outcome.cost = self._outcome.billed_s / HOUR_S * self._has.price_per_hour
        return self._outcome

    def _finished(self) -> bool:
        return self._outcome.done == self._has.images and len(self._workers) <= self._has.min_workers

    def _after(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self._now + seconds, next(self._order), event))

    def _arrive(self) -> None:
        """The images of one second, or all of them."""
        count = min(self._has.images - self._arrived, self._has.arrivals_per_s)
        self._arrived += math.ceil(count)
        self._visible += math.ceil(count)
        self._feed()
        if self._arrived < self._has.images:
            self._after(1, self._arrive)

    def _evaluate(self) -> None:
        """The policy: as many workers as the visible images ask for; fewer only after the cooldown."""
        has, active = self._has, [number for number, each in self._workers.items() if not each.leaving]
        wanted = min(max(math.ceil(self._visible / has.target_backlog), has.min_workers), has.max_workers)
        for _ in range(min(wanted - len(active), has.max_workers - len(self._workers))):
            self._launch()
        if wanted >= len(active):
            self._low_since = None
        elif self._low_since is None:
            self._low_since = self._now
        if self._low_since is not None and self._now - self._low_since >= has.cooldown_s:
            idle_first = sorted(active, key=lambda number: self._workers[number].leased)
            for number in idle_first[: len(active) - wanted]:
                self._dismiss(number)
        leased = sum(each.leased for each in self._workers.values())
        self._outcome.samples.append(
            Sample(self._now, self._visible, leased, self._hidden, self._outcome.done, len(self._workers))
        )
        self._after(has.evaluate_s, self._evaluate)

    def _launch(self) -> None:
        number = next(self._numbers)
        self._workers[number] = Worker(self._now)
        self._outcome.launches += 1
        self._outcome.peak_workers = max(self._outcome.peak_workers, len(self._workers))
        self._after(self._has.boot_s, lambda: self._is_ready(number))
        if self._has.kills_per_hour:
            self._after(self._random.expovariate(self._has.kills_per_hour / HOUR_S), lambda: self._kill(number))

    def _is_ready(self, number: int) -> None:
        worker = self._workers.get(number)
        if worker is not None:
            worker.ready = True
            self._outcome.booting_s += self._has.boot_s
            self._work(number, worker)

    def _feed(self) -> None:
        """Give workers without an image one."""
        for number, worker in self._workers.items():
            if worker.ready and worker.begun_s is None:
                self._work(number, worker)

    def _work(self, number: int, worker: Worker) -> None:
        """Lease what there is and begin the next image."""
        if not worker.leaving:
            more = min(self._has.in_flight - worker.leased, self._visible)
            worker.leased += more
            self._visible -= more
        if worker.leased and worker.begun_s is None:
            worker.begun_s = self._now
            self._outcome.begun += 1
            self._after(self._time(), lambda: self._complete(number))
        elif worker.leaving:
            self._end(number)

    def _time(self) -> float:
        mean, variation = HOUR_S / self._has.images_per_hour, self._has.variation
        return mean if variation == 0 else self._random.gammavariate(variation**-2, mean * variation**2)

    def _complete(self, number: int) -> None:
        worker = self._workers.get(number)
        if worker is None or worker.begun_s is None:
            return  # it was killed meanwhile
        self._outcome.busy_s += self._now - worker.begun_s
        self._outcome.done += 1
        self._outcome.drained_s = self._now
        worker.leased -= 1
        worker.begun_s = None
        self._work(number, worker)

    def _dismiss(self, number: int) -> None:
        """Let it finish what it has begun; the rest is given back at once."""
        worker = self._workers[number]
        worker.leaving = True
        kept = 0 if worker.begun_s is None else 1
        self._visible += worker.leased - kept
        worker.leased = kept
        if not kept:
            self._end(number)
        self._feed()

    def _kill(self, number: int) -> None:
        worker = self._workers.get(number)
        if worker is None:
            return
        self._outcome.kills += 1
        lost = worker.leased
        self._hidden += lost
        self._after(self._has.visibility_timeout_s, lambda: self._show(lost))
        self._end(number)

    def _show(self, images: int) -> None:
        self._hidden -= images
        self._visible += images
        self._feed()

    def _end(self, number: int) -> None:
        worker = self._workers.pop(number)
        self._outcome.billed_s += max(self._now - worker.launched_s, LEAST_BILLED_S)


def simulate(scenario: Scenario) -> Outcome:
    """Run a scenario."""
    return Simulation(scenario).run()
