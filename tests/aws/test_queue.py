"""What comes into a queue from others than us."""

import json

import pytest

from oncoserve.jobs.aws.sqs_queue import GIVEN_UP
from oncoserve.jobs.job import ImageMessage
from oncoserve.settings import Settings
from oncoserve.wiring import open_adapters
from testbed.aws_emulator import Stack

MODELS = {"Tiny": "tiny"}
OURS = ImageMessage(job_id="0" * 32, index=0, model="tiny", object="jobs/0")
TEST_EVENT = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "pictures"}
NOTIFICATION = {"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": "in/M%C3%BCller+1.jpg"}}}]}


@pytest.fixture(scope="module")
def storage(emulator):
    return Stack(emulator, "foreign", MODELS, storage_only=True)


@pytest.fixture
async def queue(storage, tmp_path):
    made = open_adapters(Settings(**storage.settings, results_dir=tmp_path, job_models="tiny"))
    yield made.queue
    await made.close()


@pytest.fixture
def put(storage, emulator):
    sqs, url = emulator.client("sqs"), storage.queue("tiny")
    return lambda body: sqs.send_message(QueueUrl=url, MessageBody=body if isinstance(body, str) else json.dumps(body))


async def test_the_envelope_of_a_subscription_without_raw_delivery(queue, put):
    put({"Type": "Notification", "Message": OURS.model_dump_json()})
    (lease,) = await queue.receive("tiny", 10, 1)
    assert ImageMessage.model_validate_json(lease.body) == OURS
    await queue.acknowledge(lease)


async def test_the_greeting_of_s3_goes_without_a_trace(queue, put):
    put(TEST_EVENT)
    before = (await queue.backlog())["tiny"].dead
    assert await queue.receive("tiny", 10, 1) == []
    backlog = (await queue.backlog())["tiny"]
    assert (backlog.waiting, backlog.in_flight, backlog.dead) == (0, 0, before)


async def test_a_notification_of_s3_is_buried_with_the_key_as_people_write_it(queue, put):
    put(NOTIFICATION)
    assert await queue.receive("tiny", 10, 1) == []
    (letter,) = [each for each in await queue.dead(10) if "Records" in each.body]
    assert "in/Müller 1.jpg" in letter.reason


async def test_what_nobody_acknowledges_is_given_up_by_sqs(queue, put, storage, emulator):
    emulator.client("sqs").set_queue_attributes(
        QueueUrl=storage.queue("tiny"),
        Attributes={
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": storage.arn("DeadTiny"), "maxReceiveCount": 2})
        },
    )
    put("poison")
    for _ in range(2):
        (lease,) = await queue.receive("tiny", 10, 1)
        await queue.release(lease, 0)
    assert await queue.receive("tiny", 10, 1) == []
    (letter,) = [each for each in await queue.dead(10) if each.body == "poison"]
    assert letter.reason == GIVEN_UP
