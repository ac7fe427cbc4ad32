"""What jobs expect of a place for records."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from oncoserve.errors import InvalidParameter, JobsUnavailable, QueueFull, TooManyQueuedImages
from oncoserve.jobs.job import Fault, ImageMessage, Job, JobFinding, JobImage, JobRecord, Outcome, Progress, State
from oncoserve.jobs.queue_room import Room

DONE = Outcome("f" * 32, {"overlay": "overlay.png"})
REFUSED = Outcome(fault=Fault("corrupt_image", "The picture is damaged", "It ends too early."))
LIFE = timedelta(days=7)


def job(number=1, owner="ward", images=2, created=None, expires=None, refused=0):
    created = created or datetime.now(UTC).replace(microsecond=0)
    own = [JobImage(f"{index}.png", f"jobs/{number}/{index}") for index in range(images)]
    own += [JobImage("bad.png", "", State.FAILED, outcome=REFUSED) for _ in range(refused)]
    progress = Progress.of(image.state for image in own)
    parameters = {"um_per_px": 0.5, "threshold": 0.25, "name": None}
    record = JobRecord(
        f"{number:032x}", owner, "tiny", parameters, created, created, expires or created + LIFE, progress
    )
    return Job(record, tuple(own))


async def test_a_job_comes_back_as_it_was_created(store):
    made = job(refused=1, owner=None)
    await store.create(made)
    assert await store.get(made.record.id) == made
    assert await store.get("e" * 32) is None


async def test_from_begin_to_finish(store):
    made = job()
    await store.create(made)
    assert await store.begin(made.record.id, 1) == 1
    running = await store.get(made.record.id)
    assert [image.state for image in running.images] == [State.QUEUED, State.RUNNING]
    assert running.record.progress == Progress(2, 1, 1, 0, 0)
    assert running.record.updated > made.record.updated
    assert await store.finish(made.record.id, 1, DONE)
    ended = await store.get(made.record.id)
    assert ended.images[1] == replace(made.images[1], state=State.SUCCEEDED, attempts=1, outcome=DONE)
    assert ended.images[0] == made.images[0]
    assert ended.record.progress == Progress(2, 1, 0, 1, 0)


@pytest.mark.parametrize("second", [DONE, REFUSED])
async def test_an_image_ends_once(store, second):
    made = job()
    await store.create(made)
    await store.begin(made.record.id, 0)
    assert await store.finish(made.record.id, 0, REFUSED)
    assert not await store.finish(made.record.id, 0, second)
    assert await store.begin(made.record.id, 0) is None
    await store.withdraw(made.record.id, 0, counted=True)
    image = (await store.get(made.record.id)).images[0]
    assert (image.state, image.attempts, image.outcome) == (State.FAILED, 1, REFUSED)


async def test_of_many_that_finish_at_once_one_is_first(store):
    made = job()
    await store.create(made)
    results = [Outcome(f"{number:032x}") for number in range(8)]
    firsts = await asyncio.gather(*(store.finish(made.record.id, 0, each) for each in results))
    assert sum(firsts) == 1
    (winner,) = (each for each, first in zip(results, firsts, strict=True) if first)
    assert (await store.get(made.record.id)).images[0].outcome == winner
    assert (await store.get(made.record.id)).record.progress == Progress(2, 1, 0, 1, 0)


async def test_attempts_that_count_and_those_that_do_not(store):
    made = job()
    await store.create(made)
    assert await store.begin(made.record.id, 0) == 1
    await store.withdraw(made.record.id, 0, counted=True)
    assert (await store.get(made.record.id)).images[0] == replace(made.images[0], attempts=1)
    assert await store.begin(made.record.id, 0) == 2
    await store.withdraw(made.record.id, 0, counted=False)
    assert await store.begin(made.record.id, 0) == 2
    # A process that died gives nothing back: the next one counts on.
    assert await store.begin(made.record.id, 0) == 3


async def test_there_is_nothing_to_do_for_a_job_that_is_gone_or_expired(store):
    expired = job(2, expires=datetime.now(UTC) - timedelta(seconds=1))
    await store.create(expired)
    for job_id, index in ((expired.record.id, 0), ("e" * 32, 0)):
        assert await store.begin(job_id, index) is None
    deleted = job(3)
    await store.create(deleted)
    assert await store.begin(deleted.record.id, 0) == 1
    for _ in range(2):
        await store.delete(deleted.record.id)
    assert await store.get(deleted.record.id) is None
    assert not await store.finish(deleted.record.id, 0, DONE)
    assert await store.begin(deleted.record.id, 0) is None
    assert await store.get(deleted.record.id) is None


async def test_pages_are_of_one_owner_newest_first_and_complete(store):
    created = datetime.now(UTC).replace(microsecond=0)
    for number in range(7):  # two of them at the same moment
        await store.create(job(number + 1, created=created + timedelta(seconds=max(1, number))))
    await store.create(job(20, owner="lab"))
    await store.create(job(21, owner=None))
    seen, cursor = [], None
    for expected in (3, 3, 1):
        page = await store.page("ward", cursor, 3)
        assert len(page.jobs) == expected
        seen += page.jobs
        cursor = page.cursor
    assert cursor is None
    assert [record.created for record in seen] == sorted((record.created for record in seen), reverse=True)
    assert {record.id for record in seen} == {f"{number + 1:032x}" for number in range(7)}
    assert [record.id for record in (await store.page(None, None, 3)).jobs] == [f"{21:032x}"]
    assert seen[0].progress == Progress(2, 2, 0, 0, 0)
    assert (await store.page("nobody", None, 3)).jobs == []


@pytest.mark.parametrize("cursor", ["", "1", "../..", "1.5_" + "g" * 32, "\x00"])
async def test_a_cursor_that_is_not_ours(store, cursor):
    with pytest.raises(InvalidParameter, match="cursor"):
        await store.page("ward", cursor, 3)


def messages_of(made):
    record = made.record
    return [
        ImageMessage(job_id=record.id, index=index, model=record.model, object=image.object, owner=record.owner)
        for index, image in enumerate(made.images)
    ]


async def test_a_job_comes_with_its_messages(adapters):
    made = job()
    await adapters.store.create(made, messages_of(made))
    found = []
    async with asyncio.timeout(20):
        while len(found) < 2:
            found += await adapters.queue.receive("tiny", 10, 5)
    bodies = [ImageMessage.model_validate_json(lease.body) for lease in found]
    assert sorted(bodies, key=lambda body: body.index) == messages_of(made)


async def test_no_job_is_shown_whose_messages_were_not_sent(adapters, monkeypatch):
    def refuse(*_):
        raise JobsUnavailable("it went away")

    for name in ("add", "send"):  # one of them is what the store calls
        monkeypatch.setattr(adapters.queue, name, refuse, raising=False)
    made = job()
    with pytest.raises(JobsUnavailable):
        await adapters.store.create(made, messages_of(made))
    assert await adapters.store.get(made.record.id) is None
    assert (await adapters.store.page("ward", None, 3)).jobs == []


async def test_a_job_that_has_no_room_in_the_queue_is_refused_as_a_whole(store):
    first, second = job(1), job(2)
    await store.create(first, messages_of(first), Room(100, 3))
    with pytest.raises(QueueFull, match="2 images of jobs wait, this job has 2, and the limit is 3 in all"):
        await store.create(second, messages_of(second), Room(100, 3))
    assert await store.get(second.record.id) is None
    if (await store.queued("ward")).own:  # SQS does not know whose they are
        with pytest.raises(TooManyQueuedImages, match="2 images of your jobs wait"):
            await store.create(second, messages_of(second), Room(3, 100))
        assert (await store.queued("lab")).own == 0
        await store.create(job(3, owner="lab"), messages_of(second), Room(3, 100))


async def test_which_jobs_and_results_are_in_use(store):
    made = job()
    await store.create(made)
    assert made.record.id in await store.known([made.record.id])
    assert await store.results_in_use() in (set(), ())
    await store.begin(made.record.id, 0)
    await store.finish(made.record.id, 0, DONE)
    elsewhere = await store.known(["e" * 32])  # AWS knows all, and keeps results where nobody sweeps them
    assert set(await store.results_in_use()) == (set() if elsewhere else {DONE.result})
    await store.begin(made.record.id, 1)
    await store.finish(made.record.id, 1, REFUSED)
    assert not await store.results_in_use()


def found(**numbers):
    common = {"task": "classification", "version": "1", "warnings": []}
    return Outcome("f" * 32, {"overlay": "overlay.png"}, finding={**common, "undetermined": None, **numbers})


GLIOMA = found(label="glioma", probability=0.875)
UNLIKE = found(label=None, probability=None, undetermined="unlike_training")
DOUBTED = found(label="glioma", probability=0.5, warnings=["small"])


async def finish(store, made, *outcomes):
    await store.create(made)
    for index, outcome in enumerate(outcomes):
        await store.begin(made.record.id, index)
        assert await store.finish(made.record.id, index, outcome)


async def test_what_was_found_comes_back_with_its_image_and_in_lists(store):
    await finish(store, job(1, images=1), GLIOMA)
    read = await store.get(job(1).record.id)
    assert read.images[0].outcome == GLIOMA
    (listed,) = (await store.page("ward", None, 3)).jobs
    assert listed.finding == read.record.finding == JobFinding({"glioma": 1}, {}, 0, GLIOMA.finding)


async def test_of_many_images_the_classes_are_counted(store):
    lumen = replace(GLIOMA, finding={"task": "segmentation", "areas": {"lumen": {"mm2": 1.0, "fraction": 1.0}}})
    await finish(store, job(1, images=7, refused=1), GLIOMA, UNLIKE, DOUBTED, DONE, REFUSED, lumen)
    await finish(store, job(2, images=3), UNLIKE, found(label="none", probability=0.5))
    await finish(store, job(3, images=2), DONE)  # as older versions wrote it
    listed = {record.id: record for record in (await store.page("ward", None, 9)).jobs}
    expected = {1: JobFinding({"glioma": 2}, {"unlike_training": 1}, 1),
                2: JobFinding({"none": 1}, {"unlike_training": 1}), 3: None}  # fmt: skip
    assert {int(each, 16): record.finding for each, record in listed.items()} == expected
    assert listed[f"{1:032x}"].progress == Progress(8, 1, 0, 5, 2)
    for number, finding in expected.items():
        assert (await store.get(f"{number:032x}")).record.finding == finding


async def test_words_of_a_file_with_a_nul_in_them_are_kept_and_listed(store):
    await finish(store, job(1, images=1), Outcome(fault=Fault("out_of_scope", "Refused", "Its Modality is M\0R.")))
    (listed,) = (await store.page("ward", None, 3)).jobs
    assert listed.finding is None
    kept = (await store.get(job(1).record.id)).images[0].outcome
    assert kept.fault.detail in {"Its Modality is M\0R.", "Its Modality is M\ufffdR."}


async def test_findings_go_with_their_job_and_are_no_concern_of_others(store):
    await finish(store, job(1, images=1), GLIOMA)
    await finish(store, job(2, images=1, owner="lab"), UNLIKE)
    await store.delete(job(1).record.id)
    assert (await store.page("ward", None, 9)).jobs == []
    (listed,) = (await store.page("lab", None, 9)).jobs
    assert listed.finding.undetermined == {"unlike_training": 1}
