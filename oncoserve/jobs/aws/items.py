"""Jobs as items of the DynamoDB table: one for the record, one for each image.

All have the partition key `job_id`; the sort key `part` is the image's index, and "job" for the record. So an image
changes alone, however large its job is, and the 400 KB that an item may have are far away.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from oncoserve.jobs.finding import finding_in
from oncoserve.jobs.job import Job, JobFinding, JobImage, JobRecord, Outcome, Progress, State

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.type_defs import AttributeValueTypeDef, UniversalAttributeValueTypeDef

    Item = Mapping[str, AttributeValueTypeDef]
    NewItem = dict[str, UniversalAttributeValueTypeDef]

RECORD = "job"
NOBODY = "-"  # the key of the index cannot be empty; no API key has this name
OUTCOME = TypeAdapter(Outcome)
HIDDEN = JobImage("", "")


def key(job_id: str, index: int | None = None) -> "NewItem":
    """The key of an image's item, or of the record's."""
    return {"job_id": {"S": job_id}, "part": {"S": RECORD if index is None else f"{index:06}"}}


def user(owner: str | None) -> str:
    """The value of `user_id`."""
    return owner or NOBODY


def record_item(record: JobRecord, keep_s: float) -> "NewItem":
    """The item of a record, which DynamoDB removes `keep_s` seconds after the job has expired."""
    return {
        **key(record.id),
        "user_id": {"S": user(record.owner)},
        "model": {"S": record.model},
        "parameters": {"S": json.dumps(dict(record.parameters))},
        "created": {"S": record.created.astimezone(UTC).isoformat(timespec="microseconds")},
        "updated": {"S": record.updated.isoformat()},
        "expires": {"S": record.expires.isoformat()},
        "ttl": seconds(record.expires + timedelta(seconds=keep_s)),
    }


def image_item(job: Job, index: int) -> "NewItem":
    """The item of an image, which DynamoDB removes, with the name in it, when the job has expired."""
    image = job.images[index]
    item: NewItem = {
        **key(job.record.id, index),
        "name": {"S": image.name},
        "object": {"S": image.object},
        "state": {"S": image.state},
        "attempts": {"N": str(image.attempts)},
        "updated": {"S": job.record.updated.isoformat()},
        "ttl": seconds(job.record.expires),
    }
    if image.outcome is not None:
        item["outcome"] = {"S": outcome_text(image.outcome)}
    return item


def outcome_text(outcome: Outcome) -> str:
    """An outcome as JSON."""
    return OUTCOME.dump_json(outcome).decode()


def seconds(time: datetime) -> "UniversalAttributeValueTypeDef":
    """A time as DynamoDB's expiry wants it: whole seconds since 1970, UTC."""
    return {"N": str(int(time.timestamp()))}


def job_of(items: Sequence["Item"]) -> Job | None:
    """The job whose items these are, in the order of their keys; None without a record.

    DynamoDB removes within two days what has expired; until then it is not shown here.
    """
    if not items or items[-1]["part"]["S"] != RECORD:
        return None
    images = items[:-1]
    record = record_of(items[-1], images)
    expired = datetime.now(UTC) >= record.expires
    return Job(record, tuple(HIDDEN if expired else _image(item) for item in images))


def record_of(item: "Item", images: Sequence["Item"]) -> JobRecord:
    """A record with its progress and its finding; of the images only `state`, `updated` and `outcome` are read."""
    return JobRecord(
        id=item["job_id"]["S"],
        owner=None if item["user_id"]["S"] == NOBODY else item["user_id"]["S"],
        model=item["model"]["S"],
        parameters=json.loads(item["parameters"]["S"]),
        created=datetime.fromisoformat(item["created"]["S"]),
        updated=datetime.fromisoformat(max((each["updated"]["S"] for each in images), default=item["updated"]["S"])),
        expires=datetime.fromisoformat(item["expires"]["S"]),
        progress=Progress.of(State(each["state"]["S"]) for each in images),
        finding=JobFinding.of((finding_in(each["outcome"]["S"] if "outcome" in each else None), 1) for each in images),
    )


def _image(item: "Item") -> JobImage:
    outcome = OUTCOME.validate_json(item["outcome"]["S"]) if "outcome" in item else None
    state, attempts = State(item["state"]["S"]), int(item["attempts"]["N"])
    return JobImage(item["name"]["S"], item["object"]["S"], state, attempts, outcome)
