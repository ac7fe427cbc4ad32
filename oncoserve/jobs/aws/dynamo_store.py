"""The records of jobs in DynamoDB; items.py says what the items are."""

import asyncio
import base64
import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from oncoserve.errors import InvalidParameter, JobsUnavailable
from oncoserve.jobs.aws.clients import Connection, asking, code_of
from oncoserve.jobs.aws.items import image_item, job_of, key, outcome_text, record_item, record_of, seconds, user
from oncoserve.jobs.job import ID_PATTERN, ImageMessage, Job, JobRecord, Outcome, State
from oncoserve.jobs.ports import JobQueue, Page
from oncoserve.jobs.queue_room import Queued, Room

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.type_defs import (
        QueryInputTypeDef,
        UniversalAttributeValueTypeDef,
        WriteRequestOutputTypeDef,
        WriteRequestTypeDef,
    )

    from oncoserve.jobs.aws.items import Item

INDEX = "by_user"
MAX_BATCH = 25  # items of one BatchWriteItem
BATCH_TRIES = 6
PAUSE_S = 0.05  # before the second try of a batch; doubled for each further one
CREATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", re.ASCII)


class DynamoStore:
    """The JobStore in a DynamoDB table. Its `ttl` and the bucket's lifecycle do what `sweep` does elsewhere.

    Args:
        connection: to AWS.
        table: its name.
        keep_s: how long a record stays after its job has expired, in seconds.
        queue: gets a job's messages, and tells how many wait.
    """

    def __init__(self, connection: Connection, table: str, keep_s: float, queue: JobQueue) -> None:
        self._connection = connection
        self._table = table
        self._keep_s = keep_s
        self._queue = queue

    async def create(self, job: Job, messages: Sequence[ImageMessage] = (), room: Room | None = None) -> None:
        """See the port. The record is written last: where there is one, its images and its messages are there too.

        Of a job that is not finished nobody hears: its images are worked on as far as they were sent, and their items
        expire.
        """
        if room is not None:
            room.check(await self.queued(job.record.owner), len(messages))
        with asking("DynamoDB"):
            items = [image_item(job, index) for index in range(len(job.images))]
            await self._write([{"PutRequest": {"Item": item}} for item in items])
        if messages:
            await self._queue.send(messages)
        with asking("DynamoDB"):
            await (await self._connection.dynamodb()).put_item(
                TableName=self._table, Item=record_item(job.record, self._keep_s)
            )

    async def queued(self, owner: str | None) -> Queued:  # noqa: ARG002 - a queue does not say whose they are
        """See the port. The number is SQS's own, which may lag by a minute; it does not tell of owners."""
        try:
            backlog = await self._queue.backlog()
        except JobsUnavailable:  # a model without a queue, perhaps; whether jobs can be sent shows when they are
            return Queued(0, 0)
        return Queued(0, sum(each.waiting + each.in_flight for each in backlog.values()))

    async def known(self, job_ids: Sequence[str]) -> Collection[str]:
        """See the port."""
        return job_ids

    async def results_in_use(self) -> Collection[str]:
        """See the port. Callers read results in S3, where they have a life of their own."""
        return ()

    async def get(self, job_id: str) -> Job | None:
        """See the port."""
        with asking("DynamoDB"):
            return job_of(await self._items(job_id))

    async def page(self, owner: str | None, cursor: str | None, limit: int) -> Page:
        """See the port. The index lags behind the table for some milliseconds."""
        start = None if cursor is None else _position(cursor, owner)
        with asking("DynamoDB"):
            query: QueryInputTypeDef = {
                "TableName": self._table,
                "IndexName": INDEX,
                "KeyConditionExpression": "user_id = :user",
                "ExpressionAttributeValues": {":user": {"S": user(owner)}},
                "ScanIndexForward": False,
                "Limit": limit + 1,
            }
            if start is not None:
                query["ExclusiveStartKey"] = start
            answer = await (await self._connection.dynamodb()).query(**query)
            found = answer["Items"][:limit]
            records = await asyncio.gather(*(self._record(item) for item in found))
        more = len(answer["Items"]) > limit
        return Page(records, _cursor(found[-1]) if more else None)

    async def begin(self, job_id: str, index: int) -> int | None:
        """See the port. An image's `ttl` is the time at which its job expires."""
        answer = await self._change(
            job_id,
            index,
            "SET #state = :running, updated = :now ADD attempts :one",
            "#state IN (:queued, :running) AND #ttl > :seconds",
            {":one": {"N": "1"}, ":seconds": seconds(datetime.now(UTC)), ":queued": {"S": State.QUEUED}},
        )
        return None if answer is None else int(answer["attempts"]["N"])

    async def withdraw(self, job_id: str, index: int, *, counted: bool) -> None:
        """See the port."""
        await self._change(
            job_id,
            index,
            "SET #state = :queued, updated = :now ADD attempts :less",
            "#state = :running",
            {":less": {"N": "0" if counted else "-1"}, ":queued": {"S": State.QUEUED}},
        )

    async def finish(self, job_id: str, index: int, outcome: Outcome) -> bool:
        """See the port."""
        answer = await self._change(
            job_id,
            index,
            "SET #state = :ended, updated = :now, outcome = :outcome",
            "#state IN (:queued, :running)",
            {
                ":ended": {"S": outcome.state},
                ":outcome": {"S": outcome_text(outcome)},
                ":queued": {"S": State.QUEUED},
            },
        )
        return answer is not None

    async def delete(self, job_id: str) -> None:
        """See the port. The record goes first: without it the job is gone, whatever becomes of the rest."""
        with asking("DynamoDB"):
            await (await self._connection.dynamodb()).delete_item(TableName=self._table, Key=key(job_id))
            keys = [{"job_id": item["job_id"], "part": item["part"]} for item in await self._items(job_id)]
            await self._write([{"DeleteRequest": {"Key": each}} for each in keys])

    async def sweep(self, expired_before: datetime, gone_before: datetime) -> Sequence[str]:
        """See the port."""
        del expired_before, gone_before
        return ()

    async def _change(
        self,
        job_id: str,
        index: int,
        update: str,
        condition: str,
        values: dict[str, "UniversalAttributeValueTypeDef"],
    ) -> "Item | None":
        """Change an image if the condition holds; its new item, or None."""
        names = {"#state": "state", "#ttl": "ttl"}  # reserved words of DynamoDB
        given = {":now": {"S": datetime.now(UTC).isoformat()}, ":running": {"S": State.RUNNING}, **values}
        used = update + condition
        with asking("DynamoDB"):
            try:
                answer = await (await self._connection.dynamodb()).update_item(
                    TableName=self._table,
                    Key=key(job_id, index),
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    ExpressionAttributeNames={name: value for name, value in names.items() if name in used},
                    ExpressionAttributeValues={name: value for name, value in given.items() if name in used},
                    ReturnValues="ALL_NEW",
                )
            except ClientError as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    return None
                raise
            return answer["Attributes"]

    async def _record(self, item: "Item") -> JobRecord:
        return record_of(item, [each for each in await self._items(item["job_id"]["S"]) if "state" in each])

    async def _items(self, job_id: str) -> list["Item"]:
        """All of a job's items in the order of their keys, the record last, as they are now."""
        found: list[Item] = []
        pages = (
            (await self._connection.dynamodb())
            .get_paginator("query")
            .paginate(
                TableName=self._table,
                KeyConditionExpression="job_id = :job",
                ExpressionAttributeValues={":job": {"S": job_id}},
                ConsistentRead=True,
            )
        )
        async for page in pages:
            found += page["Items"]
        return found

    async def _write(self, requests: Sequence["WriteRequestTypeDef"]) -> None:
        starts = range(0, len(requests), MAX_BATCH)
        await asyncio.gather(*(self._write_batch(requests[start : start + MAX_BATCH]) for start in starts))

    async def _write_batch(self, batch: Sequence["WriteRequestTypeDef"]) -> None:
        """Write what fits into one request; what DynamoDB leaves over when it is busy is sent again."""
        rest: Sequence[WriteRequestTypeDef | WriteRequestOutputTypeDef] = batch
        for attempt in range(BATCH_TRIES):
            answer = await (await self._connection.dynamodb()).batch_write_item(RequestItems={self._table: rest})
            rest = answer.get("UnprocessedItems", {}).get(self._table, [])
            if not rest:
                return
            await asyncio.sleep(PAUSE_S * 2**attempt)
        raise JobsUnavailable(f"DynamoDB left {len(rest)} items over")


def _cursor(item: "Item") -> str:
    return base64.urlsafe_b64encode(f"{item['created']['S']} {item['job_id']['S']}".encode()).decode()


def _position(cursor: str, owner: str | None) -> dict[str, "UniversalAttributeValueTypeDef"]:
    """The key in the index that a cursor stands for; the owner is not taken from the cursor."""
    try:
        created, _, job_id = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii").partition(" ")
    except ValueError as error:
        raise InvalidParameter(f"'cursor' is {cursor[:64]!r}, which is not a cursor of this service.") from error
    if not CREATED.fullmatch(created) or not re.fullmatch(ID_PATTERN.strip("^$"), job_id, re.ASCII):
        raise InvalidParameter(f"'cursor' is {cursor[:64]!r}, which is not a cursor of this service.")
    return {**key(job_id), "user_id": {"S": user(owner)}, "created": {"S": created}}
