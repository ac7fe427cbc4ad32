"""The worker on the real queue of one machine, with a stand-in for Triton."""

import asyncio
import json

import pytest

from oncoserve.errors import DeadlineExceeded, InferenceFailed
from oncoserve.jobs.job import State
from oncoserve.prediction.admission import FIELDS, Lane
from oncoserve.results.in_files.file_results import FileResults
from oncoserve.runtime.sharing import FOLDER_VARIABLE, SharedCounts
from testbed.encoded_pictures import encoded, noise
from testbed.http_callers import FOREIGN_WORDS
from tests.unit.oncoserve.jobs.conftest import LEASE_S
from tests.unit.oncoserve.jobs.doubles import Troubled, Watched

PNG = encoded(noise())
DAMAGED = PNG[:-60]  # its header is fine, so it comes into the queue


async def test_a_job_from_queue_to_result(desk):
    job_id = await desk.send(*(encoded(noise(seed=seed)) for seed in range(3)))
    async with desk.worker():
        job = await desk.ended(job_id)
        await desk.empty()
    assert job.record.progress.succeeded == 3
    assert {image.attempts for image in job.images} == {1}
    for image in job.images:
        document = json.loads(FileResults(desk.settings.results_dir).read(image.outcome.result).document)
        assert document["id"] == image.outcome.result
        found = image.outcome.finding
        assert (found["label"], found["probability"]) == (label := document["label"], document["probabilities"][label])
    (listed,) = (await desk.jobs.page(None, None, 1)).jobs
    assert sum(listed.finding.labels.values()) == 3
    assert not [path for path in (desk.settings.results_dir / "jobs/objects").rglob("*") if path.is_file()]


class Noting:
    """An object store that notes when a picture is deleted."""

    def __init__(self, inner, steps):
        self._inner, self._steps = inner, steps

    def __getattr__(self, name):
        return getattr(self._inner, name)

    async def delete(self, key):
        self._steps.append("delete the picture")
        await self._inner.delete(key)


async def test_a_result_is_on_the_disk_before_its_picture_is_deleted_also_where_an_upload_made_it(desk, monkeypatch):
    steps, sync = [], FileResults.sync
    monkeypatch.setattr(FileResults, "sync", lambda *args: steps.append("sync") or sync(*args))
    for _ in range(2):  # the second finds the result of the first
        job_id = await desk.send()
        async with desk.worker(objects=Noting(desk.objects, steps)):
            await desk.ended(job_id)
            await desk.empty()
    assert steps == ["sync", "delete the picture"] * 2


async def test_a_worker_gives_way_to_the_interactive_requests_of_the_frontend_beside_it(desk, tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    requests = SharedCounts(tmp_path, FIELDS).of("tiny")
    requests.add(Lane.INTERACTIVE, 1)
    job_id = await desk.send()
    async with desk.worker():
        while not (await desk.queue.backlog())["tiny"].in_flight:
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)
        assert not (await desk.store.get(job_id)).record.progress.state.ended
        requests.add(Lane.INTERACTIVE, -1)
        job = await desk.ended(job_id)
    assert job.record.progress.succeeded == 1


async def test_a_picture_that_cannot_be_decoded_fails_at_once_and_alone(desk):
    job_id = await desk.send(PNG, DAMAGED)
    async with desk.worker():
        job = await desk.ended(job_id)
        await desk.empty()
    good, bad = job.images
    assert (good.state, bad.state, bad.outcome.fault.code, bad.attempts) == (
        State.SUCCEEDED, State.FAILED, "corrupt_image", 1,
    )  # fmt: skip
    assert await desk.queue.dead(9) == []
    assert job.record.progress.state is State.PARTIAL


async def test_the_same_picture_twice_costs_one_inference_and_each_image_has_it(desk):
    first, second = await desk.send(PNG), await desk.send(PNG)
    async with desk.worker():
        results = {(await desk.ended(each)).images[0].outcome.result for each in (first, second)}
    assert len(results) == 1


@pytest.mark.parametrize("failures", [1, 2])
async def test_a_failure_that_may_pass_is_tried_again(desk, failures):
    desk.backend = Troubled(desk.backend, infer=[InferenceFailed("tiny") for _ in range(failures)])
    job_id = await desk.send()
    async with desk.worker():
        job = await desk.ended(job_id)
    assert (job.images[0].state, job.images[0].attempts) == (State.SUCCEEDED, failures + 1)


async def test_an_image_that_takes_too_long_when_it_is_alone_is_given_up(desk):
    desk.backend = Troubled(desk.backend, infer=[DeadlineExceeded("tiny", 30) for _ in range(99)])
    job_id = await desk.send()
    async with desk.worker():
        job = await desk.ended(job_id)
    assert (job.images[0].attempts, job.images[0].outcome.fault.code) == (3, "attempts_exhausted")
    assert desk.backend.calls == 4


@pytest.mark.parametrize("error", [InferenceFailed("tiny"), ZeroDivisionError("secret")])
async def test_what_fails_every_time_is_given_up_with_its_reason(desk, error):
    desk.backend = Troubled(desk.backend, infer=[error] * 99)
    job_id = await desk.send()
    async with desk.worker():
        job = await desk.ended(job_id)
        await desk.empty()
    (image,) = job.images
    assert (image.state, image.attempts, image.outcome.fault.code) == (State.FAILED, 3, "attempts_exhausted")
    (letter,) = await desk.queue.dead(9)
    assert "begun 3 times" in letter.reason
    assert "process ended" not in letter.reason
    assert "secret" not in letter.reason + image.outcome.fault.detail
    assert FOREIGN_WORDS.search(letter.reason + image.outcome.fault.detail) is None
    assert desk.backend.calls == 3


@pytest.mark.parametrize(
    "body",
    [
        "", "no json", "[]", "{}", '{"version":2}',
        '{"version":1,"job_id":"../x","index":0,"model":"tiny","object":"a"}',
        '{"version":1,"job_id":"%s","index":-1,"model":"tiny","object":"a"}' % ("0" * 32),
        '{"version":1,"job_id":"%s","index":0,"model":"other","object":"a"}' % ("0" * 32),
        '{"version":1,"job_id":"%s","index":0,"model":"tiny","object":"a","more":1}' % ("0" * 32),
        '{"Service":"Amazon S3","Event":"s3:TestEvent"}',
    ],
)  # fmt: skip
async def test_a_message_that_is_not_ours_is_buried_and_the_rest_goes_on(desk, body):
    await desk.queue.send_raw([("tiny", "", body)])
    job_id = await desk.send()
    async with desk.worker():
        await desk.ended(job_id)
        await desk.empty()
    (letter,) = await desk.queue.dead(9)
    assert (letter.body, letter.reason.startswith("not a message of ours: ")) == (body, True)


async def test_messages_of_jobs_that_are_gone_and_of_images_that_ended_are_dropped(desk):
    gone, ended = await desk.send(), await desk.send()
    await desk.jobs.delete(None, gone)
    async with desk.worker():
        await desk.ended(ended)
        await desk.empty()
        await desk.queue.send_raw([("tiny", ended, (await message_of(desk, ended)))])
        await desk.empty()
    assert len(desk.backend.calls) == 1
    assert await desk.queue.dead(9) == []


async def message_of(desk, job_id):
    return json.dumps({"version": 1, "job_id": job_id, "index": 0, "model": "tiny", "object": f"jobs/{job_id}/0"})


@pytest.mark.parametrize("parts", ["../../../etc/passwd", "/etc/passwd", "jobs/../../x"])
async def test_an_object_key_that_leads_out_of_the_store_finds_nothing(desk, parts):
    job_id = await desk.send()
    forged = json.loads(await message_of(desk, job_id)) | {"object": parts}
    await desk.queue.receive("tiny", 1, 1)
    await desk.queue.send_raw([("tiny", job_id, json.dumps(forged))])
    async with desk.worker():
        job = await desk.ended(job_id)
    assert job.images[0].outcome.fault.code == "upload_not_found"


async def test_a_worker_that_stops_gives_back_what_it_cannot_finish(make_desk):
    desk = make_desk(shutdown_grace_s=0, job_lease_s=600)
    desk.backend.gate = asyncio.Event()
    job_id = await desk.send(PNG, encoded(noise(seed=2)))
    async with desk.worker():
        async with asyncio.timeout(60):
            while not desk.backend.calls:
                await asyncio.sleep(0.02)
    job = await desk.store.get(job_id)
    assert {(image.state, image.attempts) for image in job.images} == {(State.QUEUED, 0)}
    desk.backend.gate.set()
    async with desk.worker():  # long before the leases would have run out
        assert (await desk.ended(job_id)).record.progress.succeeded == 2


async def test_a_worker_that_stops_lets_end_what_ends_in_time(desk):
    desk.backend.gate = asyncio.Event()
    job_id = await desk.send()
    async with desk.worker():
        async with asyncio.timeout(60):
            while not desk.backend.calls:
                await asyncio.sleep(0.02)
        asyncio.get_running_loop().call_later(0.3, desk.backend.gate.set)
    assert (await desk.store.get(job_id)).images[0].state is State.SUCCEEDED


async def test_a_long_image_keeps_its_lease(desk):
    """Two workers, and an image that takes half as long again as a lease lasts."""
    desk.backend.gate = asyncio.Event()
    job_id = await desk.send()
    queue = Watched(desk.queue)
    async with desk.worker(queue=queue), desk.worker(queue=queue):
        await asyncio.sleep(1.5 * LEASE_S)
        desk.backend.gate.set()
        job = await desk.ended(job_id)
    assert (job.images[0].attempts, len(desk.backend.calls), queue.deliveries) == (1, 1, [1])


async def test_what_came_before_is_worked_on_alone(desk):
    """A suspect and five others: nothing else is under way while it is."""
    suspect = await desk.send()
    (lease,) = await desk.queue.receive("tiny", 1, 1)
    await desk.queue.release(lease, 0)
    under_way, seen, get = set(), {}, desk.objects.get

    class Slow(Troubled):
        async def get(self, key, first_bytes=None):
            under_way.add(key)
            seen[key] = len(under_way)
            await asyncio.sleep(0.1)
            seen[key] = max(seen[key], len(under_way))
            under_way.remove(key)
            return await get(key, first_bytes)

    others = await desk.send(*(encoded(noise(seed=seed)) for seed in range(5)))
    async with desk.worker(objects=Slow(desk.objects)):
        await desk.ended(others)
        await desk.ended(suspect)
    assert seen.pop(f"jobs/{suspect}/0") == 1
    assert max(seen.values()) > 1


async def test_expired_jobs_lose_their_pictures_and_names(desk, monkeypatch):
    desk.jobs.limits = desk.jobs.limits.__class__(0, 100, 10**6, 10**6)
    job_id = await desk.send(PNG)
    async with desk.worker(), asyncio.timeout(60):
        while (await desk.store.get(job_id)).images[0].name:
            await asyncio.sleep(0.05)
        while (desk.settings.results_dir / "jobs/objects/jobs" / job_id).exists():
            await asyncio.sleep(0.05)
        await desk.empty()
    assert desk.backend.calls == []


async def test_a_worker_that_is_for_other_models_leaves_a_job_alone(make_desk):
    desk = make_desk(job_models="other")
    job_id = await desk.send()
    async with desk.worker():
        await asyncio.sleep(0.5)
        assert (await desk.store.get(job_id)).record.progress.state is State.QUEUED
    await desk.jobs.close()
    desk.threads.close()
