"""Dead letters: what each is about, and what can be done about it.

A message alone brings only an image back that has not ended. One that was given up has ended as FAILED: a worker that
met its message again would delete the picture, which is kept for a retry. Of such images a new job is made, as
`POST /v1/jobs/{id}/retry` does it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError
from pydantic import ValidationError

from deploy.aws.commands.account import Account, code_and_text
from oncoserve.jobs.aws.sqs_queue import DEAD, GIVEN_UP, LOST, MAX_BATCH
from oncoserve.jobs.job import ImageMessage, Job, State

HIDDEN_S = 120  # from others who look at the same time; renewed before something is done
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


class Case(StrEnum):
    """What can be done about a dead letter; the value says it."""

    WAITS = "its image has not ended: the message goes back into the queue"
    GIVEN_UP = "its image was given up and its picture is kept: it goes into a new job of the same owner"
    ENDED = "its image has ended, and another attempt would end the same: --clear deletes the letter"
    GONE = "its job is gone or has expired: --clear deletes the letter"
    FOREIGN = "it is no message of ours: --clear deletes the letter"


@dataclass(frozen=True)
class Letter:
    """A dead letter, hidden from others for a while.

    Attributes:
        receipt: what it is deleted with.
        body: as it is.
        reason: why it is here.
        sent: when it came here.
        message: what it says; None for a foreign one.
    """

    receipt: str
    body: str
    reason: str
    sent: datetime
    message: ImageMessage | None


class DeadQueue:
    """The dead letters of one model.

    Args:
        account: where.
        prefix: what queues' names begin with.
        model: its name.
    """

    def __init__(self, account: Account, prefix: str, model: str) -> None:
        self._sqs = account.client("sqs")
        self._model = model
        self._dead = self._sqs.get_queue_url(QueueName=f"{prefix}{model}{DEAD}")["QueueUrl"]
        self._queue = self._sqs.get_queue_url(QueueName=f"{prefix}{model}")["QueueUrl"]

    def take(self, limit: int) -> Iterator[Letter]:
        """Letters, hidden until they are let go of; no more than the limit, none twice."""
        seen: set[str] = set()
        while len(seen) < limit:
            answer = self._sqs.receive_message(
                QueueUrl=self._dead,
                MaxNumberOfMessages=min(MAX_BATCH, limit - len(seen)),
                VisibilityTimeout=HIDDEN_S,
                WaitTimeSeconds=1,
                AttributeNames=["SentTimestamp"],
                MessageAttributeNames=["reason"],
            )
            fresh = [each for each in answer.get("Messages", []) if each["MessageId"] not in seen]
            if not fresh:
                return
            for each in fresh:
                seen.add(each["MessageId"])
                yield self._letter(each)

    def let_go(self, letters: Sequence[Letter]) -> None:
        """Others may see them at once."""
        for each in letters:
            self._hide(each, 0)

    def hold(self, letter: Letter) -> bool:
        """Hide it for a while longer; False if somebody else has it by now."""
        return self._hide(letter, HIDDEN_S)

    def send_back(self, letter: Letter) -> None:
        """Into the queue again. The copy is there before the letter goes: a crash may double it, which does no harm."""
        self._sqs.send_message(QueueUrl=self._queue, MessageBody=letter.body)
        self.delete(letter)

    def delete(self, letter: Letter) -> None:
        """The letter alone."""
        self._sqs.delete_message(QueueUrl=self._dead, ReceiptHandle=letter.receipt)

    def _hide(self, letter: Letter, seconds: int) -> bool:
        try:
            self._sqs.change_message_visibility(
                QueueUrl=self._dead, ReceiptHandle=letter.receipt, VisibilityTimeout=seconds
            )
        except ClientError as error:
            if code_and_text(error)[0] in LOST:
                return False
            raise
        return True

    def _letter(self, received: Mapping[str, Any]) -> Letter:
        reason = received.get("MessageAttributes", {}).get("reason", {}).get("StringValue", GIVEN_UP)
        sent = datetime.fromtimestamp(int(received.get("Attributes", {}).get("SentTimestamp", 0)) / 1000, UTC)
        try:
            message = ImageMessage.model_validate_json(received["Body"])
        except ValidationError:
            message = None
        if message is not None and message.model != self._model:
            message = None
        return Letter(received["ReceiptHandle"], received["Body"], reason, sent, message)


def case_of(letter: Letter, job: Job | None, now: datetime) -> Case:
    """What can be done.

    Args:
        letter: the letter.
        job: of its message; None if there is none any more.
        now: with time zone.
    """
    message = letter.message
    if message is None:
        return Case.FOREIGN
    if job is None or job.record.state(now) is State.EXPIRED or message.index >= len(job.images):
        return Case.GONE
    image = job.images[message.index]
    if image.retryable:
        return Case.GIVEN_UP
    return Case.ENDED if image.state.ended else Case.WAITS


def escaped(text: str, longest: int) -> str:
    """Text of others for a terminal: on one line, control characters as their numbers, no longer than that."""
    shown = CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    shown = shown.encode("ascii", "backslashreplace").decode() if not shown.isprintable() else shown
    return shown if len(shown) <= longest else f"{shown[:longest]}... ({len(shown)} characters)"
