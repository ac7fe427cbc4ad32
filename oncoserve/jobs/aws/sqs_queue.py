"""Messages: published to one SNS topic, which passes each to the SQS queue of its model."""

import asyncio
import logging
import math
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from oncoserve.errors import JobsUnavailable
from oncoserve.jobs.aws.clients import Connection, asking, code_of
from oncoserve.jobs.aws.messages import unwrap, uploaded
from oncoserve.jobs.job import ImageMessage
from oncoserve.jobs.ports import Backlog, DeadLetter, Lease

if TYPE_CHECKING:
    from types_aiobotocore_sqs.type_defs import MessageTypeDef

MAX_BATCH = 10  # entries of one request, SNS and SQS alike
MAX_WAIT_S = 20  # of a long poll
MAX_VISIBILITY_S = 12 * 3600
DEAD = "-dead"
LOST = frozenset(
    {
        "ReceiptHandleIsInvalid",
        "InvalidParameterValue",
        "AWS.SimpleQueueService.MessageNotInflight",
        "MessageNotInflight",
    }
)
UNPRINTABLE = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # SQS refuses these
GIVEN_UP = "AWS gave up, and nobody said why: it was handed out too often, or SNS was refused by its queue"

log = logging.getLogger(__name__)


class SnsSqsQueue:
    """`JobQueue` of a topic and, by model, the queues `<prefix><model>` and `<prefix><model>-dead`.

    Args:
        connection: to AWS.
        topic: its ARN.
        prefix: what the queues' names begin with.
        models: the models that there are queues for.
        lease_s: the visibility timeout, in seconds.
    """

    def __init__(self, connection: Connection, topic: str, prefix: str, models: Sequence[str], lease_s: float) -> None:
        self._connection = connection
        self._topic = topic
        self._prefix = prefix
        self._models = models
        self._lease_s = lease_s
        self._urls: dict[str, str] = {}

    async def send(self, messages: Sequence[ImageMessage]) -> None:
        """See the port."""
        with asking("SNS"):
            starts = range(0, len(messages), MAX_BATCH)
            await asyncio.gather(*(self._publish(messages[start : start + MAX_BATCH]) for start in starts))

    async def tidy(self) -> None:
        """See the port. The times are those of SQS."""

    async def receive(self, model: str, limit: int, wait_s: float) -> Sequence[Lease]:
        """See the port."""
        with asking("SQS"):
            answer = await (await self._connection.sqs()).receive_message(
                QueueUrl=await self._url(model),
                MaxNumberOfMessages=min(limit, MAX_BATCH),
                WaitTimeSeconds=min(int(wait_s), MAX_WAIT_S),
                VisibilityTimeout=_seconds(self._lease_s),
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
            found = [
                await self.accept(
                    model,
                    message["Body"],
                    message["ReceiptHandle"],
                    int(message["Attributes"]["ApproximateReceiveCount"]),
                )
                for message in answer.get("Messages", [])
            ]
            return [lease for lease in found if lease is not None]

    async def accept(self, model: str, body: str, receipt: str, deliveries: int) -> Lease | None:
        """The lease of a message that SQS has handed out; None when it is one of S3's, and has been dealt with.

        Raises:
            JobsUnavailable
        """
        unwrapped = unwrap(body)
        lease = Lease(model, unwrapped or "", receipt, deliveries)
        if unwrapped is None:
            await self.acknowledge(lease)
        elif keys := uploaded(unwrapped):
            await self.bury(lease, f"S3 tells of {', '.join(keys)}; a picture needs a job: POST /v1/jobs")
        else:
            return lease
        return None

    async def extend(self, lease: Lease, seconds: float) -> None:
        """See the port."""
        await self._hide(lease, seconds)

    async def acknowledge(self, lease: Lease) -> None:
        """See the port."""
        with asking("SQS"):
            try:
                await (await self._connection.sqs()).delete_message(
                    QueueUrl=await self._url(lease.model), ReceiptHandle=lease.receipt
                )
            except ClientError as error:
                _unless_lost(error)

    async def release(self, lease: Lease, delay_s: float) -> None:
        """See the port."""
        await self._hide(lease, delay_s)

    async def bury(self, lease: Lease, reason: str) -> None:
        """See the port; the copy is made before the original is deleted, so a crash may double it but not lose it."""
        if not await self._hide(lease, self._lease_s):
            return
        with asking("SQS"):
            await (await self._connection.sqs()).send_message(
                QueueUrl=await self._url(lease.model + DEAD),
                MessageBody=UNPRINTABLE.sub("?", lease.body) or " ",
                MessageAttributes={
                    "reason": {"DataType": "String", "StringValue": UNPRINTABLE.sub("?", reason)[:1000] or "unknown"}
                },
            )
        await self.acknowledge(lease)

    async def backlog(self) -> Mapping[str, Backlog]:
        """See the port."""
        with asking("SQS"):
            found = {}
            for model in self._models:
                waiting, in_flight = await self._numbers(model)
                found[model] = Backlog(waiting, in_flight, sum(await self._numbers(model + DEAD)))
            return found

    async def ahead(self, job_id: str, model: str) -> int | None:  # noqa: ARG002 - SQS does not say
        """See the port."""
        return None

    async def dead(self, limit: int) -> Sequence[DeadLetter]:
        """See the port."""
        with asking("SQS"):
            found = [
                (int(message["Attributes"]["SentTimestamp"]), _dead_letter(model, message))
                for model in self._models
                async for message in self._peek(model + DEAD, limit)
            ]
        found.sort(key=lambda sent: sent[0], reverse=True)
        return [letter for _, letter in found[:limit]]

    async def _publish(self, batch: Sequence[ImageMessage]) -> None:
        answer = await (await self._connection.sns()).publish_batch(
            TopicArn=self._topic,
            PublishBatchRequestEntries=[
                {
                    "Id": str(number),
                    "Message": message.model_dump_json(),
                    "MessageAttributes": {"model": {"DataType": "String", "StringValue": message.model}},
                }
                for number, message in enumerate(batch)
            ],
        )
        if answer.get("Failed"):
            raise JobsUnavailable(f"SNS refused {len(answer['Failed'])} of {len(batch)} messages")

    async def _hide(self, lease: Lease, seconds: float) -> bool:
        """Change the lease's end; False when it was lost."""
        with asking("SQS"):
            try:
                await (await self._connection.sqs()).change_message_visibility(
                    QueueUrl=await self._url(lease.model),
                    ReceiptHandle=lease.receipt,
                    VisibilityTimeout=_seconds(seconds),
                )
            except ClientError as error:
                _unless_lost(error)
                return False
            return True

    async def _numbers(self, queue: str) -> tuple[int, int]:
        answer = await (await self._connection.sqs()).get_queue_attributes(
            QueueUrl=await self._url(queue),
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
        numbers = answer["Attributes"]
        return int(numbers["ApproximateNumberOfMessages"]), int(numbers["ApproximateNumberOfMessagesNotVisible"])

    async def _peek(self, queue: str, limit: int) -> AsyncIterator["MessageTypeDef"]:
        """Messages without removing them; as many as the queue shows before it repeats one."""
        seen: set[str] = set()
        while len(seen) < limit:
            answer = await (await self._connection.sqs()).receive_message(
                QueueUrl=await self._url(queue),
                MaxNumberOfMessages=MAX_BATCH,
                VisibilityTimeout=2,  # long enough to see the next ones, too short to disturb others
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["reason"],
            )
            fresh = [message for message in answer.get("Messages", []) if message["MessageId"] not in seen]
            if not fresh:
                return
            seen.update(message["MessageId"] for message in fresh)
            for message in fresh:
                yield message

    async def _url(self, queue: str) -> str:
        if queue not in self._urls:
            answer = await (await self._connection.sqs()).get_queue_url(QueueName=self._prefix + queue)
            self._urls[queue] = answer["QueueUrl"]
        return self._urls[queue]


def _dead_letter(model: str, message: "MessageTypeDef") -> DeadLetter:
    attributes = message.get("MessageAttributes", {})
    reason = attributes["reason"].get("StringValue", GIVEN_UP) if "reason" in attributes else GIVEN_UP
    return DeadLetter(model, message["Body"], reason)


def _seconds(value: float) -> int:
    return min(max(0, math.ceil(value)), MAX_VISIBILITY_S)


def _unless_lost(error: ClientError) -> None:
    if code_of(error) not in LOST:
        raise error
