"""What SageMaker says when it has computed a request, or could not; and what else may lie in that queue."""

import json
from dataclasses import dataclass
from typing import Any

from oncoserve.jobs.aws.messages import unwrap, uploaded
from oncoserve.jobs.sagemaker.endpoints import ANSWERS
from oncoserve.jobs.sagemaker.tickets import INFERENCE

COMPLETED, FAILED = "Completed", "Failed"


@dataclass(frozen=True)
class Notice:
    """Of one request of ours.

    Attributes:
        inference: its id.
        job_id, index: the image that it was of.
        answer: the answer's key in the bucket; None when there is none.
        reason: why there is none, in SageMaker's words.
    """

    inference: str
    job_id: str
    index: int
    answer: str | None
    reason: str = ""


def read_notice(body: str, bucket: str) -> Notice:
    """The notice in a queue entry's body, with or without SNS's envelope.

    The format: https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-check-predictions.html

    Args:
        body: as SQS delivered it; anything.
        bucket: that answers come to.

    Raises:
        ValueError: it is none of ours; the text says what it is.
    """
    inner = unwrap(body)
    if inner is None:
        raise ValueError("it is the greeting of S3")
    if keys := uploaded(inner):
        raise ValueError(f"S3 tells of {', '.join(keys)[:200]}")
    try:
        found = json.loads(inner)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("it is not an object")  # noqa: TRY004 - of the text, as all that is wrong with it
    inference, status = _text(found, "inferenceId"), _text(found, "invocationStatus")
    named = INFERENCE.fullmatch(inference)
    if named is None:
        raise ValueError(f"inferenceId is {inference[:64]!r}")
    if status == COMPLETED:
        answer = _key(_text(_part(found, "responseParameters"), "outputLocation"), bucket)
        return Notice(inference, named[1], int(named[2]), answer)
    if status == FAILED:
        return Notice(inference, named[1], int(named[2]), None, _text(found, "failureReason"))
    raise ValueError(f"invocationStatus is {status[:64]!r}")


def _key(location: str, bucket: str) -> str:
    """The key of an address in our bucket, in the folder of answers; nothing else is read, or deleted."""
    key = location.removeprefix(f"s3://{bucket}/")
    if key == location or not key.startswith(ANSWERS):
        raise ValueError(f"its answer is elsewhere: {location[:200]!r}")
    return key


def _part(found: dict[str, Any], name: str) -> dict[str, Any]:
    part = found.get(name)
    return part if isinstance(part, dict) else {}


def _text(found: dict[str, Any], name: str) -> str:
    text = found.get(name)
    return text if isinstance(text, str) else ""
