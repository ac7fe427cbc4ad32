"""`python -m deploy.aws redrive`: dead letters of each kind, made by the ports that make them."""

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from PIL import Image

from deploy.aws.commands.dead_letters import Case
from oncoserve.errors import AttemptsExhausted, CorruptImage
from oncoserve.jobs.aws.aws_adapters import open_aws
from oncoserve.jobs.job import Fault, ImageMessage, Job, JobImage, JobRecord, Outcome, Progress, State
from oncoserve.settings import Settings
from testbed.aws_emulator import Stack

MODEL, NAME = "brain_mri", "letters"


def drawn_png():
    data = io.BytesIO()
    Image.new("L", (8, 8)).save(data, "PNG")
    return data.getvalue()


@pytest.fixture(scope="module")
def pipeline(emulator):
    return Stack(emulator, NAME, {"BrainMri": MODEL}, storage_only=True)


@pytest.fixture
async def adapters(pipeline, emulator):
    made = open_aws(Settings(**pipeline.settings), dict)
    yield made
    await made.close()
    for queue in (pipeline.queue(MODEL), pipeline.queue(f"{MODEL}-dead")):
        emulator.client("sqs").purge_queue(QueueUrl=queue)


@dataclass
class Queues:
    """What waits in the model's queue and among its dead letters, as bodies; looking changes nothing."""

    pipeline: Stack

    def bodies(self, name):
        sqs, found = self.pipeline.emulator.client("sqs"), {}
        url = self.pipeline.queue(name)
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=30).get(
            "Messages"
        ):
            found |= {each["ReceiptHandle"]: each["Body"] for each in messages}
        for receipt in found:
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)
        return sorted(found.values())


@pytest.fixture
def queues(pipeline):
    return Queues(pipeline)


async def job(adapters, images=1, expires_s=3600):
    """A job of `ward` whose messages are in the queue; its pictures are kept."""
    now, job_id = datetime.now(UTC), uuid4().hex
    kept = tuple(JobImage(f"{index}.png", f"jobs/{job_id}/{index}") for index in range(images))
    for each in kept:
        await adapters.objects.put(each.object, PNG)
    progress = Progress.of(each.state for each in kept)
    made = Job(JobRecord(job_id, "ward", MODEL, {}, now, now, now + timedelta(seconds=expires_s), progress), kept)
    messages = [
        ImageMessage(job_id=job_id, index=index, model=MODEL, object=each.object, owner="ward")
        for index, each in enumerate(kept)
    ]
    await adapters.store.create(made, messages)
    return made


async def bury(adapters, reason, outcome=None):
    """All that waits, as a worker does it; the image ends so before, if it ends."""
    while leases := await adapters.queue.receive(MODEL, 10, 0):
        for lease in leases:
            message = ImageMessage.model_validate_json(lease.body)
            await adapters.store.begin(message.job_id, message.index)
            if outcome is not None:
                await adapters.store.finish(message.job_id, message.index, outcome)
            await adapters.queue.bury(lease, reason)


GIVEN_UP = Outcome(fault=Fault.of(AttemptsExhausted(5, "Triton was away")))
REFUSED = Outcome(fault=Fault.of(CorruptImage("half of it is missing")))
PNG = drawn_png()


@pytest.mark.long
async def test_a_message_of_an_image_that_has_not_ended_goes_back(operator, adapters, queues):
    await job(adapters)
    waiting = queues.bodies(MODEL)
    await bury(adapters, "SQS gave up")
    before = queues.bodies(f"{MODEL}-dead")
    done = operator.run("redrive", MODEL, "--name", NAME)
    assert (done.code, Case.WAITS.value in done.out, "SQS gave up" in done.out) == (0, True, True), done.err
    assert (queues.bodies(MODEL), queues.bodies(f"{MODEL}-dead")) == ([], before)  # a dry run
    done = operator.run("redrive", MODEL, "--name", NAME, "--yes")
    assert (done.code, "Done: 1 sent back" in done.out) == (0, True), done.err
    assert (queues.bodies(MODEL), queues.bodies(f"{MODEL}-dead")) == (waiting, [])


@pytest.mark.long
async def test_of_what_was_given_up_its_owner_gets_a_new_job(operator, adapters, queues):
    """The message alone would have a worker delete the pictures: the images have ended."""
    first = await job(adapters, images=2)
    await bury(adapters, "5 attempts", GIVEN_UP)
    done = operator.run("redrive", MODEL, "--name", NAME)
    assert (done.code, Case.GIVEN_UP.value in done.out) == (0, True), done.err
    done = operator.run("redrive", MODEL, "--name", NAME, "--yes")
    assert (done.code, "Done: 1 new jobs" in done.out) == (0, True), done.out + done.err
    assert queues.bodies(f"{MODEL}-dead") == []
    messages = [json.loads(each) for each in queues.bodies(MODEL)]
    (job_id,) = {each["job_id"] for each in messages}
    assert job_id != first.record.id
    assert f"tried again as job {job_id} of ward" in done.out
    again = await adapters.store.get(job_id)
    assert (again.record.owner, [each.name for each in again.images]) == ("ward", ["0.png", "1.png"])
    assert [await adapters.objects.get(each["object"]) for each in messages] == [PNG, PNG]
    assert (
        await adapters.store.get(first.record.id)
    ).record.progress.state is State.FAILED  # it has ended, and stays so


@pytest.mark.long
async def test_a_job_that_goes_on_is_not_tried_again_yet(operator, adapters, queues):
    await job(adapters, images=2)
    (lease, *_) = await adapters.queue.receive(MODEL, 10, 0)
    message = ImageMessage.model_validate_json(lease.body)
    await adapters.store.begin(message.job_id, message.index)
    await adapters.store.finish(message.job_id, message.index, GIVEN_UP)
    await adapters.queue.bury(lease, "5 attempts")
    done = operator.run("redrive", MODEL, "--name", NAME, "--yes")
    assert (done.code, "Done: nothing" in done.out) == (1, True), done.out + done.err
    assert queues.bodies(f"{MODEL}-dead") == [lease.body]


@pytest.mark.long
@pytest.mark.parametrize("clear", [False, True])
async def test_what_nothing_can_be_done_about_stays_until_it_is_cleared(operator, adapters, pipeline, queues, clear):
    await job(adapters)
    await bury(adapters, "refused", REFUSED)
    await job(adapters, expires_s=-1)
    await bury(adapters, "expired", GIVEN_UP)
    sqs = pipeline.emulator.client("sqs")
    sqs.send_message(QueueUrl=pipeline.queue(f"{MODEL}-dead"), MessageBody="not ours\u0085")
    done = operator.run("redrive", MODEL, "--name", NAME, "--yes", *(["--clear"] if clear else []))
    assert done.code == 0, done.err
    for case in (Case.ENDED, Case.GONE, Case.FOREIGN):
        assert f"1  {case.value}" in done.out
    assert len(queues.bodies(f"{MODEL}-dead")) == (0 if clear else 3)
    assert queues.bodies(MODEL) == []


@pytest.mark.long
async def test_what_others_wrote_cannot_command_the_terminal(operator, adapters, pipeline, emulator):
    attributes = {"reason": {"DataType": "String", "StringValue": f"why\u202e{'y' * 500}"}}
    emulator.client("sqs").send_message(
        QueueUrl=pipeline.queue(f"{MODEL}-dead"), MessageBody="first\nsecond\u009b31m", MessageAttributes=attributes
    )
    done = operator.run("redrive", MODEL, "--name", NAME)
    assert done.code == 0, done.err
    assert "first\\u000asecond\\u009b31m" in done.out
    assert "why\\u202e" in done.out
    assert "... (5" in done.out
    assert not [each for each in done.out if not (each.isprintable() or each == "\n")]


@pytest.mark.long
async def test_more_letters_than_the_limit_are_told(operator, adapters, queues):
    await job(adapters, images=3)
    await bury(adapters, "SQS gave up")
    done = operator.run("redrive", MODEL, "--name", NAME, "--limit", "2", "--yes")
    assert (done.code, "There may be more" in done.out, len(queues.bodies(f"{MODEL}-dead"))) == (0, True, 1)


@pytest.mark.long
def test_a_model_without_a_queue_and_a_name_without_a_stack_are_told(operator, pipeline):
    for arguments, words in (
        (["redrive", "heart", "--name", NAME], "is it a model of this stack?"),
        (["redrive", MODEL, "--name", "nothing"], "There is no stack nothing with queues"),
    ):
        done = operator.run(*arguments)
        assert (done.code, words in done.err) == (2, True), done.err
