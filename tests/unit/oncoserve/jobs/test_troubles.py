"""The worker while the inference server, the model or a storage fails."""

import asyncio

import pytest

from oncoserve.errors import DeadlineExceeded, InferenceFailed, InferenceUnavailable, JobsUnavailable, ModelNotReady
from oncoserve.jobs.job import State
from testbed.encoded_pictures import encoded, noise
from tests.unit.oncoserve.jobs.doubles import Troubled, Watched

PNG = encoded(noise())


async def test_while_the_server_is_away_jobs_wait_and_it_costs_no_attempts(desk):
    server, queue = desk.backend, Watched(desk.queue)
    desk.backend = Troubled(server, models=[])
    async with desk.worker(queue=queue):
        await desk.ended(await desk.send())
        server.reachable = False
        looks = desk.backend.calls
        while desk.backend.calls < looks + 4:  # it knows with the second, and by then may still wait at the queue
            await asyncio.sleep(0.01)
        waiting = await desk.send(encoded(noise(seed=2)))
        await asyncio.sleep(0.5)
        assert (await desk.store.get(waiting)).images[0].attempts == 0
        server.reachable = True
        job = await desk.ended(waiting)
    assert (job.images[0].state, job.images[0].attempts) == (State.SUCCEEDED, 1)
    assert queue.deliveries == [1, 1]


@pytest.mark.parametrize("error", [InferenceUnavailable(), DeadlineExceeded("tiny", 30)])
async def test_an_error_of_a_server_that_is_away_or_busy_is_not_the_images(desk, error):
    desk.backend = Troubled(desk.backend, infer=[error])
    job_id = await desk.send()
    async with desk.worker():
        job = await desk.ended(job_id)
    assert (job.images[0].state, job.images[0].attempts) == (State.SUCCEEDED, 1)


@pytest.mark.parametrize("error", [InferenceUnavailable(), ModelNotReady("tiny", "its process has ended")])
async def test_what_computes_goes_away_whenever_an_image_is_there_alone_and_is_spared_it_in_the_end(desk, error):
    desk.backend = Troubled(desk.backend, infer=[error] * 99)
    job_id = await desk.send()
    async with desk.worker():
        job = await desk.ended(job_id)
        await desk.empty()
    assert (job.images[0].state, job.images[0].outcome.fault.code) == (State.FAILED, "model_process_ended")
    assert desk.backend.calls == 3  # the first did not count: others may have been under way
    (letter,) = await desk.queue.dead(9)
    assert letter.reason.startswith("Work on it was begun 2 times, and the process of model 'tiny' ended")


@pytest.mark.parametrize("error", [InferenceFailed("tiny"), DeadlineExceeded("tiny", 30)])
async def test_an_image_that_fails_while_the_model_does_not_answer_waits_and_it_costs_no_attempt(desk, error):
    server, queue = desk.backend, Watched(desk.queue)

    class Sick(Troubled):
        """Falls ill with the first request."""

        async def infer(self, *args):
            server.sick["tiny"] = InferenceFailed("tiny")
            self.calls += 1
            raise error

    desk.backend = Sick(server)
    first, second = await desk.send(), await desk.send(encoded(noise(seed=2)))
    async with desk.worker(queue=queue):
        while not desk.backend.calls:
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)  # more than what five attempts of each would take
        jobs = [await desk.store.get(each) for each in (first, second)]
        assert {image.attempts for job in jobs for image in job.images} <= {0}
        assert len(queue.deliveries) <= 4  # what was received before it was known, and once more
        desk.backend.infer = server.infer
        server.sick.clear()
        jobs = [await desk.ended(each) for each in (first, second)]
    assert {(image.state, image.attempts) for job in jobs for image in job.images} == {(State.SUCCEEDED, 1)}


@pytest.mark.parametrize("part", ["queue", "store", "objects"])
async def test_a_storage_that_fails_for_a_while_only_takes_longer(desk, part, caplog):
    names = {
        "queue": ["receive", "acknowledge"],
        "store": ["begin", "finish"],
        "objects": ["get", "delete"],
    }[part]
    troubled = Troubled(getattr(desk, part), **{name: [JobsUnavailable("away")] * 2 for name in names})
    job_id = await desk.send()
    async with desk.worker(**{part: troubled}):
        job = await desk.ended(job_id)
        await desk.empty()
    assert (job.images[0].state, job.images[0].attempts) == (State.SUCCEEDED, 1)
    assert caplog.text.count("jobs wait for their storage") <= len(names)
