"""Images that the service gave up, tried again with the pictures that it kept of them."""

import asyncio
from dataclasses import replace

import pytest

from oncoserve.errors import InferenceFailed, JobNotEnded, JobNotFound, NothingToRetry
from oncoserve.jobs.job import Progress, State
from testbed.encoded_pictures import encoded, noise

PNG = encoded(noise())


def pictures(desk):
    return [path for path in (desk.settings.results_dir / "jobs/objects").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("states", "whole"),
    [
        ("SS", State.SUCCEEDED), ("SF", State.PARTIAL), ("FF", State.FAILED), ("F", State.FAILED),
        ("SFQ", State.RUNNING), ("FQ", State.QUEUED), ("FR", State.RUNNING),
    ],
)  # fmt: skip
def test_what_the_images_make_of_a_job(states, whole):
    by_letter = {state.value[0]: state for state in State if state is not State.PARTIAL}
    assert Progress.of(by_letter[letter] for letter in states).state is whole


async def test_what_was_given_up_succeeds_when_the_model_is_well_again(desk):
    good = desk.backend.infer

    async def infer(*args, **kwargs):
        if not well.is_set():
            raise InferenceFailed("tiny")
        return await good(*args, **kwargs)

    well = asyncio.Event()
    desk.backend.infer = infer
    job_id = await desk.send(PNG, PNG[:-60])  # the second cannot be decoded: it would be refused again
    with pytest.raises(JobNotEnded):
        await desk.jobs.retry(None, job_id)
    async with desk.worker():
        job = await desk.ended(job_id)
        await desk.empty()
        assert [image.retryable for image in job.images] == [True, False]
        assert len(pictures(desk)) == 1
        well.set()
        again = await desk.jobs.retry(None, job_id)
        assert [image.name for image in again.images] == ["a.png"]
        ended = await desk.ended(again.record.id)
        await desk.empty()
    assert ended.record.progress.state is State.SUCCEEDED
    assert (await desk.store.get(job_id)).record.progress.state is State.FAILED
    assert len(pictures(desk)) == 1  # of the old job, for as long as it is kept
    await desk.jobs.delete(None, job_id)
    assert pictures(desk) == []


async def test_a_picture_that_is_gone_fails_alone(desk):
    async def infer(*_, **__):
        raise InferenceFailed("tiny")

    desk.backend.infer = infer
    job_id = await desk.send(PNG, PNG)
    async with desk.worker():
        job = await desk.ended(job_id)
        await desk.empty()
    await desk.objects.delete(job.images[0].object)
    again = await desk.jobs.retry(None, job_id)
    assert [image.state for image in again.images] == [State.FAILED, State.QUEUED]
    assert again.images[0].outcome.fault.code == "picture_not_kept"


@pytest.mark.parametrize(("sent", "words"), [(PNG, "None has failed"), (b"GIF89a", "All 1 that failed were refused")])
async def test_nothing_to_try_again(desk, sent, words):
    job_id = await desk.send(sent)
    async with desk.worker():
        await desk.ended(job_id)
    with pytest.raises(NothingToRetry, match=words):
        await desk.jobs.retry(None, job_id)
    with pytest.raises(JobNotFound):
        await desk.jobs.retry("another", job_id)


async def test_of_an_expired_job_nothing_is_tried_again(desk):
    desk.jobs.limits = replace(desk.jobs.limits, life_s=0)
    job_id = await desk.send(PNG)
    with pytest.raises(NothingToRetry, match="has expired, and its pictures are gone"):
        await desk.jobs.retry(None, job_id)
