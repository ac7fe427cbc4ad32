import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from oncoserve.jobs.intake.submission import JobLimits, Submission
from oncoserve.jobs.service import Jobs
from oncoserve.runtime.threads import CpuThreads
from oncoserve.settings import Settings
from oncoserve.wiring import open_adapters
from oncoserve.worker_process import work
from testbed.encoded_pictures import encoded, noise
from testbed.fakes import FakeBackend, card, write_card

LEASE_S = 1.0
# Pauses as short as they can be: they are for the sake of a server and a storage that recover, which here do at once.
PAUSES_S = {
    "worker.RECEIVE_S": 0.1,  # also how long a quiet worker takes to stop
    "worker.POLL_S": 0.02,
    "image.LOOK_AGAIN_S": 0.1,
    "image.LONGEST_BACKOFF_S": 0.1,
    "patience.FIRST_PAUSE_S": 0.02,
}


class Desk:
    """Both ends of a queue on one machine: sends jobs, and runs workers on the stand-in for Triton."""

    def __init__(self, folder, **settings):
        write_card(folder / "models", card())
        values = {"results_dir": folder / "results", "model_repository": folder / "models", "job_lease_s": LEASE_S}
        self.settings = Settings(**{"poll_interval_s": 0.1, "job_max_attempts": 3, **values, **settings})
        self.backend = FakeBackend()
        self.adapters = open_adapters(self.settings)
        self.queue, self.store, self.objects = self.adapters.queue, self.adapters.store, self.adapters.objects
        self.threads = CpuThreads(1)
        limits = JobLimits(3600, 100, 10**6, 10**6)
        self.jobs = Jobs(self.adapters, limits, self.threads)

    async def send(self, *pictures):
        """One job; the id."""
        submissions = []
        for data in pictures or (encoded(noise()),):

            async def read(data=data):
                return data

            submissions.append(Submission("a.png", read))
        return (await self.jobs.submit(None, "tiny", {}, submissions)).record.id

    async def ended(self, job_id, within_s=60):
        """The job, when its last image has ended."""
        async with asyncio.timeout(within_s):
            while not (job := await self.store.get(job_id)).record.progress.state.ended:
                await asyncio.sleep(0.02)
        return job

    async def empty(self, within_s=60):
        """Wait until the queue is."""
        async with asyncio.timeout(within_s):
            while any(each.waiting + each.in_flight for each in (await self.queue.backlog()).values()):
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def worker(self, **replaced):
        """A worker for the length of the block; `replaced` are adapters."""
        adapters = replace(open_adapters(self.settings), **replaced)
        stop = asyncio.Event()
        task = asyncio.create_task(work(self.settings, adapters, stop, self.backend))
        try:
            yield task
        finally:
            stop.set()
            await task


@pytest.fixture
def make_desk(tmp_path, monkeypatch):
    for name, seconds in PAUSES_S.items():
        monkeypatch.setattr(f"oncoserve.jobs.{name}", seconds)
    return lambda **settings: Desk(tmp_path, **settings)


@pytest.fixture
async def desk(make_desk):
    made = make_desk()
    yield made
    await made.jobs.close()
    made.threads.close()
