"""What is under way at an endpoint: an object in the bucket for each image, from before it is sent until it is settled.

The ticket is what the function that settles an image knows of it, and what keeps a second delivery of its message from
being sent a second time. Every change is conditional, so that of two functions one learns that it came second.
"""

import json
import logging
import re
import secrets
from dataclasses import dataclass
from typing import Any, Literal, Self

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from oncoserve.jobs.aws.clients import Connection, asking, code_of
from oncoserve.jobs.job import ImageMessage
from oncoserve.jobs.ports import Lease

FOLDER = "sagemaker/tickets"
INFERENCE = re.compile(r"([0-9a-f]{32})-([0-9]{1,6})-[0-9a-f]{8}", re.ASCII)
ABSENT = frozenset({"NoSuchKey", "404"})
# 409: another conditional write of the same object is under way. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
SECOND = ABSENT | {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}

log = logging.getLogger(__name__)


class Ticket(BaseModel):
    """One image at an endpoint.

    Attributes:
        inference: the id that SageMaker is told, which names the image; another one each time that it is sent.
        message: the image's.
        receipt: of the message's newest delivery; with it the message is given back, buried or acknowledged.
        deliveries: how often the message was handed out until then.
        issued_s: when, in seconds since 1970.
        attempt: the number of this attempt; 0 until it is sent.
        sent: whether SageMaker has taken it, and its message is hidden for as long as an answer may take.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1] = 1
    inference: str = Field(pattern=f"^{INFERENCE.pattern}$")
    message: ImageMessage
    receipt: str = Field(min_length=1)
    deliveries: int = Field(ge=1)
    issued_s: float
    attempt: int = Field(default=0, ge=0)
    sent: bool = False

    @classmethod
    def of(cls, message: ImageMessage, lease: Lease, now_s: float) -> Self:
        """A new one."""
        inference = f"{message.job_id}-{message.index}-{secrets.token_hex(4)}"
        return cls(
            inference=inference,
            message=message,
            receipt=lease.receipt,
            deliveries=lease.deliveries,
            issued_s=now_s,
        )

    @property
    def lease(self) -> Lease:
        """The image's message as the queue knows it."""
        return Lease(self.message.model, self.message.model_dump_json(), self.receipt, self.deliveries)


@dataclass(frozen=True)
class Held:
    """A ticket as it was read, and S3's tag of that."""

    ticket: Ticket
    tag: str


class Tickets:
    """All of them. Every method raises JobsUnavailable when S3 does not answer.

    Args:
        connection: to AWS.
        bucket: its name.
    """

    def __init__(self, connection: Connection, bucket: str) -> None:
        self._connection = connection
        self._bucket = bucket

    async def find(self, job_id: str, index: int) -> Held | None:
        """The ticket of an image. One that cannot be read is taken out, and counts as none."""
        with asking("S3"):
            s3 = await self._connection.s3()
            try:
                answer = await s3.get_object(Bucket=self._bucket, Key=_key(job_id, index))
                async with answer["Body"] as body:
                    content = await body.read()
            except ClientError as error:
                if code_of(error) in ABSENT:
                    return None
                raise
        try:
            return Held(Ticket.model_validate_json(content), answer["ETag"])
        except ValidationError:
            log.exception("a ticket that cannot be read was taken out", extra={"job": job_id, "index": index})
            await self.withdraw(job_id, index)
            return None

    async def issue(self, ticket: Ticket) -> Held | None:
        """Keep a new one; None when the image has one already."""
        return await self._put(ticket, {"IfNoneMatch": "*"})

    async def change(self, held: Held, ticket: Ticket) -> Held | None:
        """Put this one in its place; None when it is no longer as it was read."""
        return await self._put(ticket, {"IfMatch": held.tag})

    async def withdraw(self, job_id: str, index: int) -> None:
        """Take the ticket of an image out, if there is one."""
        with asking("S3"):
            s3 = await self._connection.s3()
            await s3.delete_object(Bucket=self._bucket, Key=_key(job_id, index))

    async def _put(self, ticket: Ticket, condition: dict[str, Any]) -> Held | None:
        key, body = _key(ticket.message.job_id, ticket.message.index), json.dumps(ticket.model_dump(mode="json"))
        with asking("S3"):
            s3 = await self._connection.s3()
            try:
                answer = await s3.put_object(
                    Bucket=self._bucket, Key=key, Body=body.encode(), ContentType="application/json", **condition
                )
            except ClientError as error:
                if code_of(error) in SECOND:
                    return None
                raise
        return Held(ticket, answer["ETag"])


def _key(job_id: str, index: int) -> str:
    return f"{FOLDER}/{job_id}/{index}"
