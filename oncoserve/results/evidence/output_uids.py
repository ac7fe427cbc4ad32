"""The UIDs of what is made of a result: the same question about the same image always gets the same."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydicom.uid import UID


@dataclass(frozen=True)
class Asked:
    """What an object is made of. Whoever knows this knows its UIDs before it is made.

    Attributes:
        instance: SOP Instance UID of the source.
        frame: of the source, from 1 on.
        model: its name.
        version: of the model.
        model_sha256: of its graph; None where it is not known.
        parameters: of the task, as the result's provenance has them.
        options: of the file, without defaults: an empty one is the file as it is asked for without a query.
    """

    instance: str
    frame: int
    model: str
    version: str
    model_sha256: str | None
    parameters: Mapping[str, Any]
    options: Mapping[str, Any]

    def uid(self, kind: str, *what: str) -> UID:
        """A UID that is derived from a hash (PS3.5, B.2).

        Args:
            kind: of the file: `seg`, `sr` or `sc`.
            what: in it; nothing for the file itself, `series` for its series.
        """
        text = json.dumps([asdict(self), kind, *what], sort_keys=True, separators=(",", ":"), default=dict)
        return uid_of(hashlib.sha256(text.encode()).digest())


def device_uid(model: str, version: str, model_sha256: str | None) -> UID:
    """The UID of a model as a device."""
    return uid_of(hashlib.sha256(json.dumps([model, version, model_sha256]).encode()).digest())


def uid_of(digest: bytes) -> UID:
    """A UID below 2.25, from at least 16 bytes of a hash."""
    return UID(f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}")
