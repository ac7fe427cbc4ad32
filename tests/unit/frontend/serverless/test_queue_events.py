"""What Lambda hands a function that a queue calls, and when the function gives back what it has no time for."""

import asyncio
import logging

from frontend.serverless import queue_events
from frontend.serverless.queue_events import deliveries, kept, work_on


def event(*ids):
    return {
        "Records": [
            {
                "messageId": each,
                "receiptHandle": f"receipt of {each}",
                "body": each,
                "attributes": {"ApproximateReceiveCount": "3"},
                "eventSourceARN": "arn:aws:sqs:eu-central-1:000000000000:oncoserve-tiny",
            }
            for each in ids
        ]
    }


class Context:
    def __init__(self, left_s):
        self.left_s = left_s

    def get_remaining_time_in_millis(self):
        return int(self.left_s * 1000)


def test_what_sqs_says_of_a_message():
    (given,) = deliveries(event("a"))
    assert (given.id, given.queue, given.deliveries) == ("a", "oncoserve-tiny", 3)
    assert (given.body, given.receipt) == ("a", "receipt of a")


async def test_one_that_fails_is_told_and_does_not_keep_the_others_from_their_end(caplog):
    async def work(given):
        if given.id == "b":
            raise RuntimeError("no")

    assert await work_on(event("a", "b", "c"), Context(60), work) == {"a", "c"}
    assert [(each.levelno, each.message_id) for each in caplog.records] == [(logging.ERROR, "b")]


async def test_before_lambda_stops_the_function_what_is_not_done_is_given_back(caplog):
    given_back = []

    async def work(given):
        try:
            await asyncio.sleep(0 if given.id == "a" else 60)
        except asyncio.CancelledError:
            given_back.append(given.id)
            raise

    left_s = queue_events.LEAVE_S + 0.2
    async with asyncio.timeout(left_s):
        assert await work_on(event("a", "b"), Context(left_s), work) == {"a"}
    assert given_back == ["b"]
    assert "there was no time left" in caplog.text


def test_what_lambda_is_told():
    assert kept({"b", "a"}) == {"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "b"}]}
    assert kept(set()) == {"batchItemFailures": []}
