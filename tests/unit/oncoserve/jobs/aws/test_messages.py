import json

import pytest

from oncoserve.jobs.aws.messages import unwrap, uploaded

OURS = '{"version": 1, "job_id": "0"}'
TEST_EVENT = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "pictures", "RequestId": "1"})


def envelope(message):
    return json.dumps({"Type": "Notification", "MessageId": "1", "TopicArn": "arn", "Message": message})


def notification(*keys):
    records = [
        {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"bucket": {}, "object": {"key": key}}}
        for key in keys
    ]
    return json.dumps({"Records": records})


@pytest.mark.parametrize("body", ["", "null", "[]", "nonsense", "{" * 2000, OURS, '{"Type": "Notification"}', '"x"'])
def test_what_is_no_envelope_stays_as_it_is(body):
    assert unwrap(body) == body


def test_the_envelope_of_sns_is_opened_once():
    assert unwrap(envelope(OURS)) == OURS
    assert unwrap(envelope(envelope(OURS))) == envelope(OURS)


def test_the_greeting_of_s3_asks_for_nothing_raw_or_in_an_envelope():
    assert unwrap(TEST_EVENT) is None
    assert unwrap(envelope(TEST_EVENT)) is None


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("uploads/0", "uploads/0"),
        ("in/a+b%2Bc.jpg", "in/a b+c.jpg"),
        ("in/M%C3%BCller+%28links%29.png", "in/Müller (links).png"),
        ("in/100%25.png", "in/100%.png"),
    ],
)
def test_keys_in_notifications_are_decoded(encoded, key):
    assert uploaded(notification(encoded)) == [key]


def test_all_records_are_told_and_those_of_others_are_not():
    assert uploaded(notification("a", "b")) == ["a", "b"]
    assert uploaded(notification()) == []
    other = json.dumps({"Records": [{"eventSource": "aws:dynamodb"}, "x"]})
    for body in (OURS, TEST_EVENT, "nonsense", '{"Records": 1}', other):
        assert uploaded(body) == []
