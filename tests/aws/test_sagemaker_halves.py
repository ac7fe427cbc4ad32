"""An image's way through an asynchronous endpoint, and everything that can go wrong on it.

The emulator has no SageMaker: `testbed.aws.async_endpoints` stands in for it on the wire. Queues, tickets, records and
results are on the emulator's SQS, S3 and DynamoDB; the functions around the halves are in test_sagemaker.py.
"""

import asyncio
import json

import pytest

from oncoserve.errors import JobsUnavailable
from oncoserve.jobs.job import State
from oncoserve.jobs.sagemaker import endpoints as limits
from oncoserve.jobs.sagemaker import feeding, setting_back, settling
from oncoserve.jobs.sagemaker.tickets import FOLDER
from testbed.aws.async_endpoints import AsyncEndpoints
from testbed.aws_emulator import Stack
from testbed.encoded_pictures import encoded, noise
from tests.aws.sagemaker_bench import GOOD, MODEL, MOST, RESULT, Bench, Container, packed, problem


@pytest.fixture(scope="module")
def storage(emulator):
    """The storage of a pipeline, and a queue that two topics of notices lead to."""
    stack = Stack(emulator, "halves", {"Tiny": MODEL}, storage_only=True)
    sns, sqs = emulator.client("sns"), emulator.client("sqs")
    url = sqs.create_queue(QueueName="halves-settle")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topics = {status: sns.create_topic(Name=f"halves-{status}")["TopicArn"] for status in ("Completed", "Failed")}
    letting = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [letting | {"Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    for topic in topics.values():
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    return stack, topics, url


@pytest.fixture
async def bench(storage, emulator, tmp_path, monkeypatch):
    stack, topics, url = storage
    monkeypatch.setattr(setting_back, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(settling, "LOOK_S", 0.05)
    with AsyncEndpoints(emulator, stack.outputs["BucketName"], topics, Container()) as endpoints:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", endpoints.url)
        for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
            monkeypatch.setenv(name, value)
        made = Bench(stack, endpoints, url, tmp_path)
        await made.clear()
        yield made
        await made.close()


async def test_an_image_is_computed_and_its_result_is_where_callers_look(bench):
    job = await bench.send()
    assert await bench.feed() == 1
    assert (await bench.image(job)).state == State.RUNNING
    await bench.settle()
    image = await bench.image(job)
    assert (image.state, image.attempts) == (State.SUCCEEDED, 1)
    assert (image.outcome.result, image.outcome.files) == (RESULT["id"], RESULT["files"])
    assert await bench.backlog() == (0, 0, 0)
    assert bench.left() == bench.keys("jobs/") == []
    folder = f"results/keys/ward/{RESULT['id']}"
    assert bench.keys("results/") == [f"{folder}/overlay.png", f"{folder}/result.json"]
    assert bench.container.pictures == [encoded(noise())]
    (headers,) = bench.endpoints.requests
    assert headers["Endpoint"] == "halves-tiny"
    assert headers["InputLocation"] == f"s3://{bench.bucket}/jobs/{job}/0"
    assert (headers["Accept"], headers["Custom-Attributes"]) == ("application/zip", "model=tiny")
    assert (headers["RequestTTLSeconds"], headers["InvocationTimeoutSeconds"]) == ("21600", "900")
    assert headers["Inference-Id"].startswith(f"{job}-0-")


async def test_a_result_that_a_list_cannot_say_anything_of_is_a_result(bench, caplog):
    """As that of a container of another version may be: it has no task."""
    job = await bench.send()
    await bench.feed()
    await bench.settle()
    image = await bench.image(job)
    assert (image.state, image.outcome.finding) == (State.SUCCEEDED, None)
    assert "no finding could be made of a result" in caplog.text


async def test_the_message_stays_hidden_for_as_long_as_an_answer_may_take(bench):
    await bench.send()
    await bench.feed()
    assert await bench.backlog() == (0, 1, 0)
    assert await bench.feed() == 0
    assert limits.LEASE_S > limits.WAIT_S + limits.TIMEOUT_S
    assert limits.LEASE_S < 12 * 3600  # what SQS allows


async def test_a_message_that_comes_twice_is_sent_once(bench):
    job = await bench.send()
    (lease,) = await bench.adapters.queue.receive(MODEL, 10, 1)
    await bench.feeder.feed(lease)
    await bench.feeder.feed(lease)
    assert len(bench.endpoints.requests) == 1
    await bench.settle()
    assert (await bench.image(job)).attempts == 1
    assert await bench.backlog() == (0, 0, 0)


async def test_two_functions_with_one_message_send_it_once(bench):
    job = await bench.send()
    (lease,) = await bench.adapters.queue.receive(MODEL, 10, 1)
    await asyncio.gather(*(bench.feeder.feed(lease) for _ in range(4)))
    assert len(bench.endpoints.requests) == 1
    await bench.settle()
    image = await bench.image(job)
    assert (image.state, image.attempts) == (State.SUCCEEDED, 1)


async def test_a_notice_that_comes_twice_changes_nothing(bench):
    job = await bench.send()
    await bench.feed()
    body = await bench.settle()
    before = await bench.image(job)
    await bench.settler.settle(body)
    assert await bench.image(job) == before
    assert bench.left() == []


@pytest.mark.parametrize("step", ["publish", "finish", "delete", "acknowledge", "withdraw"])
async def test_a_settler_that_ends_at_any_step_is_finished_by_the_next(bench, step, monkeypatch):
    job = await bench.send()
    await bench.feed()
    body = await bench.notice()
    part = {
        "publish": bench.adapters.publisher,
        "finish": bench.adapters.store,
        "delete": bench.adapters.objects,
        "acknowledge": bench.adapters.queue,
        "withdraw": bench.settler._tickets,
    }[step]

    async def killed(*_, **__):
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(part, step, killed)
        with pytest.raises(RuntimeError):
            await bench.settler.settle(body)
    await bench.settler.settle(body)
    image = await bench.image(job)
    assert (image.state, image.attempts) == (State.SUCCEEDED, 1)
    assert await bench.backlog() == (0, 0, 0)
    assert bench.left() == []


@pytest.mark.parametrize("step", ["extend", "change", "invoke"])
async def test_a_feeder_that_ends_at_any_step_loses_nothing(bench, step, monkeypatch):
    job = await bench.send()
    part = {"extend": bench.adapters.queue, "change": bench.feeder._tickets, "invoke": bench.feeder._endpoints}[step]

    async def killed(*_, **__):
        raise RuntimeError

    (lease,) = await bench.adapters.queue.receive(MODEL, 10, 1)
    with monkeypatch.context() as patched:
        patched.setattr(part, step, killed)
        with pytest.raises(RuntimeError):
            await bench.feeder.feed(lease)
    monkeypatch.setattr(feeding, "UNSENT_S", -1.0)  # a minute has gone
    monkeypatch.setattr(settling, "UNSENT_S", -1.0)
    await bench.feeder.feed(lease)
    await bench.settle()
    if step != "invoke":  # it had been sent, and so it was sent twice
        await bench.settle()
    image = await bench.image(job)
    assert (image.state, image.attempts) == (State.SUCCEEDED, 2)
    assert await bench.backlog() == (0, 0, 0)
    assert bench.left() == []


async def test_a_feeder_that_has_no_time_left_gives_the_message_back_as_if_nothing_had_been_done(bench, monkeypatch):
    job = await bench.send()

    async def hang(*_):
        await asyncio.sleep(60)

    monkeypatch.setattr(bench.feeder._endpoints, "invoke", hang)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await bench.feed()
    assert (await bench.image(job)).attempts == 0
    assert await bench.backlog() == (1, 0, 0)
    assert bench.left() == []


async def test_what_sagemaker_does_not_take_comes_again_and_costs_no_attempt(bench):
    job = await bench.send()
    bench.endpoints.refuse = [500] * 3  # the SDK itself asks three times
    assert await bench.feed() == 1
    assert (await bench.image(job)).attempts == 0
    assert bench.left() == []
    await bench.feed()
    await bench.settle()
    image = await bench.image(job)
    assert (image.state, image.attempts) == (State.SUCCEEDED, 1)


async def test_what_the_picture_is_refused_for_is_told_as_by_a_worker(bench):
    bench.container.answers = [(200, problem(415, "unsupported_image", "No picture."))]
    job = await bench.send()
    await bench.feed()
    await bench.settle()
    fault = (await bench.image(job)).outcome.fault
    assert (fault.code, fault.title, fault.detail) == ("unsupported_image", "A title", "No picture.")
    assert bench.left() == bench.keys("jobs/") == []
    assert await bench.backlog() == (0, 0, 0)


@pytest.mark.parametrize(
    ("status", "code"),
    [(503, "too_busy"), (429, "too_many_requests"), (503, "shutting_down"), (404, "model_not_found")],
)
async def test_what_says_nothing_about_the_picture_costs_no_attempt(bench, status, code):
    bench.container.answers = [(200, problem(status, code))] * (MOST + 1)
    job = await bench.send()
    for _ in range(MOST + 1):
        assert await bench.feed() == 1
        await bench.settle()
        assert (await bench.image(job)).attempts == 0
    await bench.feed()
    await bench.settle()
    image = await bench.image(job)
    assert (image.state, image.attempts) == (State.SUCCEEDED, 1)


async def test_an_image_that_ends_the_model_again_and_again_is_given_up(bench, monkeypatch):
    monkeypatch.setattr(setting_back, "SPARED", 2)
    bench.container.answers = [(200, problem(503, "model_not_ready"))] * 99
    job = await bench.send()
    times = 0
    while await bench.feed():
        await bench.settle()
        times += 1
    image = await bench.image(job)
    assert (image.state, image.outcome.fault.code, times) == (State.FAILED, "attempts_exhausted", 2 + MOST)


FAILURES = {
    "an error of ours": (200, problem(500, "internal_error")),
    "the container's": (500, b""),
    "no archive": (200, b"PK no archive"),
    "another model's": (200, packed(result__json=RESULT | {"model": "other"}, overlay__png=b"")),
    "a file is missing": (200, packed(result__json=RESULT)),
    "a name that is a path": (200, packed(result__json=RESULT | {"files": {"a": "../b"}}, **{"../b": b""})),
    "the container is gone": ConnectionError("it has ended"),
}


@pytest.mark.parametrize("answer", FAILURES.values(), ids=FAILURES)
async def test_what_fails_each_time_is_given_up_with_its_picture_kept(bench, answer):
    bench.container.answers = [answer] * 99
    job = await bench.send()
    for number in range(1, MOST + 1):
        assert await bench.feed() == 1
        assert (await bench.image(job)).attempts == number
        await bench.settle()
    image = await bench.image(job)
    assert (image.state, image.attempts, image.outcome.fault.code) == (State.FAILED, MOST, "attempts_exhausted")
    assert image.retryable
    assert bench.keys("jobs/") == [f"jobs/{job}/0"]
    assert bench.keys("results/") == bench.left() == []
    (letter,) = await bench.adapters.queue.dead(9)
    assert letter.reason.startswith(f"Work on it was begun {MOST} times. ")
    assert await bench.backlog() == (0, 0, 1)


async def test_a_request_that_waited_too_long_is_not_held_against_the_picture(bench):
    job = await bench.send()
    bench.container.answers = [ConnectionError("The request expired.")]
    await bench.feed()
    await bench.settle()
    assert (await bench.image(job)).attempts == 0


async def test_where_nothing_is_heard_it_is_sent_again_and_a_late_result_is_as_good(bench, monkeypatch):
    job = await bench.send()
    (lease,) = await bench.adapters.queue.receive(MODEL, 10, 1)
    await bench.feeder.feed(lease)
    late = await bench.notice()
    monkeypatch.setattr(feeding, "LEASE_S", -1)  # its time is over
    await bench.feeder.feed(lease)
    assert (await bench.image(job)).attempts == 2
    newer = await bench.notice()
    await bench.settler.settle(late)
    image = await bench.image(job)
    assert image.state == State.SUCCEEDED
    await bench.settler.settle(newer)
    assert await bench.image(job) == image
    assert bench.left() == []
    assert await bench.backlog() == (0, 0, 0)


async def test_a_late_failure_does_not_touch_what_is_under_way(bench, monkeypatch):
    job = await bench.send()
    bench.container.answers = [(500, b"")]
    (lease,) = await bench.adapters.queue.receive(MODEL, 10, 1)
    await bench.feeder.feed(lease)
    late = await bench.notice()
    with monkeypatch.context() as patched:
        patched.setattr(feeding, "LEASE_S", -1)
        await bench.feeder.feed(lease)
    newer = await bench.notice()
    await bench.settler.settle(late)
    assert (await bench.image(job)).state == State.RUNNING
    assert len(bench.keys(FOLDER)) == 1
    await bench.settler.settle(newer)
    assert (await bench.image(job)).state == State.SUCCEEDED


async def test_an_image_of_which_nothing_is_ever_heard_is_given_up(bench, monkeypatch):
    monkeypatch.setattr(feeding, "LEASE_S", 0)
    job = await bench.send()
    for _ in range(MOST + 1):
        assert await bench.feed() == 1
    image = await bench.image(job)
    assert (image.state, image.attempts) == (State.FAILED, MOST)
    assert "Nothing was heard of it each time." in image.outcome.fault.detail


async def test_a_job_that_was_deleted_meanwhile_leaves_nothing(bench):
    job = await bench.send()
    await bench.feed()
    body = await bench.notice()
    await bench.jobs.delete("ward", job)
    await bench.settler.settle(body)
    assert bench.left() == bench.keys("jobs/") == []
    assert await bench.backlog() == (0, 0, 0)
    assert await bench.adapters.store.get(job) is None


async def test_a_message_of_a_job_that_is_gone_is_not_sent(bench):
    job = await bench.send()
    await bench.jobs.delete("ward", job)
    assert await bench.feed() == 1
    assert bench.endpoints.requests == []
    assert await bench.backlog() == (0, 0, 0)


async def test_a_settler_waits_for_the_feeder_so_that_its_message_does_not_stay_hidden(bench, monkeypatch):
    bench.container.answers = [(200, problem(503, "too_busy"))]
    await bench.send()
    extend = bench.adapters.queue.extend
    settled = []

    async def slow(*given):
        body = await bench.notice()
        settled.append(asyncio.create_task(bench.settler.settle(body)))
        await asyncio.sleep(0.3)
        await extend(*given)

    monkeypatch.setattr(bench.adapters.queue, "extend", slow)
    await bench.feed()
    await settled[0]
    assert await bench.backlog() == (1, 0, 0)


async def test_a_notice_of_what_is_still_being_sent_comes_again(bench, monkeypatch):
    bench.container.answers = [(200, problem(503, "too_busy"))]
    await bench.send()
    monkeypatch.setattr(settling, "LOOKS", 1)

    async def lost(*_):
        return None

    with monkeypatch.context() as patched:
        patched.setattr(bench.feeder._tickets, "change", lost)
        await bench.feed()
    body = await bench.notice()
    with pytest.raises(JobsUnavailable):
        await bench.settler.settle(body)
    assert len(bench.left()) == 2


FOREIGN = [
    "not JSON",
    "[]",
    "null",
    '{"Event": "s3:TestEvent", "Service": "Amazon S3"}',
    '{"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": "a+b"}}}]}',
    '{"inferenceId": null, "invocationStatus": null}',
    json.dumps({"inferenceId": f"{'0' * 32}-0-{'0' * 8}", "invocationStatus": "Completed", "responseParameters": None}),
    json.dumps({"inferenceId": "somebody else's", "invocationStatus": "Completed"}),
]


@pytest.mark.parametrize("body", FOREIGN)
async def test_a_notice_that_is_not_ours_is_told_and_left_alone(bench, body, caplog):
    await bench.settler.settle(body)
    assert "a notice that is not ours" in caplog.text


@pytest.mark.parametrize("place", ["s3://other/sagemaker/answers/x.out", "s3://{bucket}/results/a/result.json"])
async def test_nothing_outside_of_the_answers_is_read_or_deleted(bench, place, caplog):
    job = await bench.send()
    await bench.feed()
    body = json.loads(await bench.notice())
    body["responseParameters"]["outputLocation"] = place.format(bucket=bench.bucket)
    bench.s3.put_object(Bucket=bench.bucket, Key="results/a/result.json", Body=GOOD)
    await bench.settler.settle(json.dumps(body))
    assert "its answer is elsewhere" in caplog.records[-1].reason
    assert (await bench.image(job)).state == State.RUNNING
    assert bench.keys("results/") == ["results/a/result.json"]


async def test_a_foreign_message_is_buried(bench):
    bench.sqs.send_message(QueueUrl=bench.stack.queue(MODEL), MessageBody='{"version": 1}')
    await bench.feed()
    (letter,) = await bench.adapters.queue.dead(9)
    assert letter.reason.startswith("not a message of ours")


async def test_a_ticket_that_cannot_be_read_is_in_nobodys_way(bench):
    job = await bench.send()
    bench.s3.put_object(Bucket=bench.bucket, Key=f"{FOLDER}/{job}/0", Body=b"{}")
    await bench.feed()
    await bench.settle()
    assert (await bench.image(job)).state == State.SUCCEEDED


async def test_before_sqs_gives_a_message_up_we_say_why(bench, monkeypatch):
    monkeypatch.setattr(setting_back, "LAST_DELIVERY", 2)
    bench.container.answers = [(200, problem(503, "too_busy", "It was busy."))] * 2
    job = await bench.send()
    for _ in range(2):
        await bench.feed()
        await bench.settle()
    fault = (await bench.image(job)).outcome.fault
    assert "Its message came 2 times. It was busy." in fault.detail
