"""What can lie in a queue: our message, alone or in an SNS envelope, and the notifications that S3 sends."""

import json
from typing import Any
from urllib.parse import unquote_plus


def unwrap(body: str) -> str | None:
    """The message in a queue entry's body; the reader decides whether it is a valid one.

    Args:
        body: as SQS delivered it. With raw delivery it is the message itself; without, SNS's envelope.

    Returns:
        The message; None for S3's greeting `s3:TestEvent`, which a queue gets once and which asks for nothing.
    """
    found = _object_of(body)
    if found.get("Type") == "Notification" and isinstance(found.get("Message"), str):
        body = found["Message"]
        found = _object_of(body)
    return None if found.get("Event") == "s3:TestEvent" else body


def uploaded(body: str) -> list[str]:
    """The keys of the objects in an S3 notification, decoded; empty for any other message."""
    records = _object_of(body).get("Records")
    # S3 encodes keys as a form does: a space is a plus, everything else a percent sign and two digits.
    return [
        unquote_plus(record["s3"]["object"]["key"])
        for record in (records if isinstance(records, list) else [])
        if isinstance(record, dict) and record.get("eventSource") == "aws:s3"
    ]


def _object_of(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
