"""Sends jobs straight into the queue, kills workers at random until the last image has ended, and counts."""

import asyncio
import contextlib
import json
import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from uuid import uuid4

import psutil

from loadtest.jobs.kept_workers import Workers
from loadtest.jobs.poisoned_worker import POISON
from loadtest.shared.distinct_uploads import Pictures
from oncoserve.errors import JobsUnavailable
from oncoserve.jobs.intake.submission import JobLimits, Submission
from oncoserve.jobs.job import Job, State
from oncoserve.jobs.ports import Adapters, DeadLetter
from oncoserve.jobs.service import Jobs
from oncoserve.runtime.threads import CpuThreads
from oncoserve.settings import Settings
from oncoserve.wiring import open_adapters
from testbed.encoded_pictures import bright, encoded
from testbed.servers import Server

POLL_S: Final = 0.25
SENDERS: Final = 16
MODEL: Final = "tiny"

T = TypeVar("T")


@dataclass(frozen=True)
class ChaosReport:
    """What came of it.

    Attributes:
        jobs: as many as were sent, one image each.
        succeeded, failed, unfinished: images by their end.
        results: distinct results.
        dead: dead letters, with their reasons.
        attempts: number of images by the number of their attempts.
        ended_twice: images that more than one worker says it has ended.
        killed: workers killed at random.
        died: workers that died of the poison.
        models_killed: processes of the model killed at random.
        storage_killed: servers of the storage killed in turn.
        poisons: pictures that end a process, the worker's or the model's.
        sending_s, working_s: wall time.
    """

    jobs: int
    succeeded: int
    failed: int
    unfinished: int
    results: int
    dead: list[DeadLetter]
    attempts: dict[int, int]
    ended_twice: int
    killed: int
    died: int
    models_killed: int
    storage_killed: int
    poisons: int
    sending_s: float
    working_s: float

    @property
    def sound(self) -> bool:
        """All but the poisons have a result, each its own; the poisons alone are dead."""
        good, bad = self.jobs - self.poisons, self.poisons
        return (self.succeeded, self.results, self.failed, len(self.dead), self.ended_twice) == (
            good,
            good,
            bad,
            bad,
            0,
        )


@contextmanager
def _in_environment(settings: Mapping[str, str]) -> Iterator[None]:
    """The settings and the credentials in this process's environment, for the length of the block."""
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _kept(workers: Workers) -> Iterator[Workers]:
    try:
        yield workers
    finally:
        workers.stop()


ModelProcesses = Callable[[], Sequence[psutil.Process]]
"""Gives the processes of the model that run at this moment."""


async def chaos(
    settings: Mapping[str, str],
    folder: Path,
    count: int,
    workers: int,
    kill_every_s: float,
    model_processes: ModelProcesses | None = None,
    storage: Sequence[Server] = (),
) -> ChaosReport:
    """Run it.

    Args:
        settings: ONCO_* by name, for the workers and for the sender.
        folder: gets the workers' log.
        count: number of jobs, of one image each; the last third begins with the poison.
        workers: number of processes.
        kill_every_s: mean time between two kills; longer when nothing has ended since the one before.
        model_processes: who may be killed in turn with a worker. Somebody else brings them back; and the model's
            process ends on a picture without a dark pixel (`testbed.timed_model`), which is sent too.
        storage: servers that are killed in turn with the others, and started again at once.
    """
    log = folder / "workers.log"
    with _in_environment(settings):
        made = Settings.from_environment()
        async with AsyncExitStack() as stack:
            adapters = open_adapters(made)
            stack.push_async_callback(adapters.close)
            started = time.monotonic()
            sent = await _send(adapters, made, count, deadly=model_processes is not None)
            sending_s = time.monotonic() - started
            with _kept(Workers(workers, settings, log)) as running:
                killer = _Killer(running, model_processes, storage)
                working_s = await _kill_until_done(adapters, killer, count, kill_every_s)
            jobs = [await _answered(partial(adapters.store.get, job_id)) for job_id in sent]
            dead = list(await _answered(partial(adapters.queue.dead, count)))
    return ChaosReport(
        jobs=count,
        **_count(jobs),
        dead=dead,
        attempts=dict(sorted(Counter(job.images[0].attempts for job in jobs if job).items())),
        ended_twice=_ended_twice(log),
        killed=running.killed,
        died=running.died,
        models_killed=killer.models_killed,
        storage_killed=killer.storage_killed,
        poisons=1 if model_processes is None else 2,
        sending_s=sending_s,
        working_s=working_s,
    )


class _Killer:
    """Kills a worker, the model's process, or a server of the storage, in turn."""

    def __init__(self, workers: Workers, model_processes: ModelProcesses | None, storage: Sequence[Server]) -> None:
        self.workers = workers
        self.models_killed = self.storage_killed = 0
        self._model_processes = model_processes
        self._storage = storage
        self._turns = 0

    def kill(self, chance: random.Random) -> None:
        """SIGKILL to one of them."""
        self._turns += 1
        if self._storage and self._turns % 3 == 0:
            server = self._storage[self._turns // 3 % len(self._storage)]
            server.kill()
            server.start()
            self.storage_killed += 1
            return
        victims = self._model_processes() if self._model_processes and self._turns % 2 == 0 else []
        if victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                chance.choice(victims).kill()
                self.models_killed += 1
        else:
            self.workers.kill(chance)


async def _kill_until_done(adapters: Adapters, killer: _Killer, count: int, kill_every_s: float) -> float:
    """Keep the workers running and kill now and then until nothing is left; gives the seconds that it took."""
    chance = random.Random(1)  # noqa: S311 - reproducible, not secret
    started = next_kill = time.monotonic()
    left_at_kill = count
    while left := await _left(adapters):
        killer.workers.keep()
        # Only after progress: on a busy machine workers would be killed before they have begun, for ever.
        if time.monotonic() > next_kill and left < left_at_kill:
            next_kill, left_at_kill = time.monotonic() + chance.uniform(0.5, 1.5) * kill_every_s, left
            await asyncio.sleep(POLL_S)
            killer.kill(chance)
        await asyncio.sleep(POLL_S)
    return time.monotonic() - started


async def _send(adapters: Adapters, settings: Settings, count: int, *, deadly: bool) -> list[str]:
    threads = CpuThreads(2)
    limits = JobLimits(settings.jobs_ttl_s, 1, settings.max_image_pixels, settings.max_upload_bytes)
    jobs = Jobs(adapters, limits, threads)
    pictures = Pictures(1, "classification", (64,))
    places = asyncio.Semaphore(SENDERS)

    async def send(number: int) -> str:
        picture = pictures.next().with_comment(POISON if number == 2 * count // 3 else uuid4().hex)
        data = encoded(bright()) if deadly and number == count // 3 else picture.data

        async def read() -> bytes:
            return data

        async with places:
            job = await jobs.submit(None, MODEL, {}, [Submission("", read)])
        return job.record.id

    try:
        return list(await asyncio.gather(*(send(number) for number in range(count))))
    finally:
        threads.close()


async def _answered(ask: Callable[[], Awaitable[T]]) -> T:
    """The storage's answer, as soon as it gives one: it may be one that was killed."""
    while True:
        try:
            return await ask()
        except JobsUnavailable:
            await asyncio.sleep(POLL_S)


async def _left(adapters: Adapters) -> int:
    backlog = (await _answered(adapters.queue.backlog)).get(MODEL)
    return backlog.waiting + backlog.in_flight if backlog else 0


def _count(jobs: list[Job | None]) -> dict[str, int]:
    images = [job.images[0] for job in jobs if job is not None]
    states = Counter(image.state for image in images)
    results = {image.outcome.result for image in images if image.outcome and image.outcome.result}
    ended = states[State.SUCCEEDED] + states[State.FAILED]
    return {
        "succeeded": states[State.SUCCEEDED],
        "failed": states[State.FAILED],
        "unfinished": len(jobs) - ended,
        "results": len(results),
    }


def _ended_twice(log: Path) -> int:
    ends: Counter[str] = Counter()
    for line in log.read_text().splitlines():
        if line.startswith("{") and '"image ended"' in line:
            ends[json.loads(line)["job"]] += 1
    return sum(count > 1 for count in ends.values())
