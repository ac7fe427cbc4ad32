"""What AWS Lambda hands a function that an SQS queue calls, and what the function answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

LEAVE_S = 3.0  # before Lambda stops the function: to give back what is not done

log = logging.getLogger(__name__)


class Context(Protocol):
    """The part of Lambda's context that is read here."""

    def get_remaining_time_in_millis(self) -> int:
        """How long until the function is stopped."""
        ...


class MessagesLeft(Exception):
    """Raised so that Lambda counts an error, which an alarm tells people of; all messages of the event come again."""


@dataclass(frozen=True)
class Delivery:
    """One message that SQS has handed out.

    Attributes:
        id: of the message, for the answer.
        queue: the queue's name.
        body: as it came.
        receipt: proves this delivery to the queue.
        deliveries: how often it was handed out, this time included.
    """

    id: str
    queue: str
    body: str
    receipt: str
    deliveries: int


def deliveries(event: Mapping[str, Any]) -> Iterator[Delivery]:
    """The messages of an event; its format: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html."""
    for record in event["Records"]:
        yield Delivery(
            record["messageId"],
            record["eventSourceARN"].rsplit(":", 1)[-1],
            record["body"],
            record["receiptHandle"],
            int(record["attributes"]["ApproximateReceiveCount"]),
        )


async def work_on(
    event: Mapping[str, Any], context: Context, work: Callable[[Delivery], Awaitable[None]]
) -> frozenset[str]:
    """Work on all messages of an event side by side, for as long as Lambda lets the function run.

    Returns:
        The ids of those that were worked on to the end.
    """
    found = list(deliveries(event))
    tasks = {each.id: asyncio.ensure_future(work(each)) for each in found}
    left_s = context.get_remaining_time_in_millis() / 1000 - LEAVE_S
    _, late = await asyncio.wait(tasks.values(), timeout=max(0.0, left_s))
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    return frozenset(name for name, task in tasks.items() if _is_done(name, task))


def kept(ids: Iterable[str]) -> dict[str, Any]:
    """The answer after which Lambda deletes all messages of the event but these.

    The event source mapping has to say ReportBatchItemFailures.
    """
    return {"batchItemFailures": [{"itemIdentifier": each} for each in sorted(ids)]}


def _is_done(name: str, task: "asyncio.Future[None]") -> bool:
    if task.cancelled():
        log.warning("there was no time left for a message", extra={"message_id": name})
        return False
    if error := task.exception():
        log.error("a message could not be worked on", extra={"message_id": name}, exc_info=error)
        return False
    return True
