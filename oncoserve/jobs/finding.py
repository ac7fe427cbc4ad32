"""What a list says of a result: a few of its numbers, kept with the record of its image."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

MOST_BYTES: Final = 4096
"""Of a finding as JSON; an item of DynamoDB may have 400 KB, and a page of a list shows a thousand of them."""


def kept(finding: Mapping[str, Any]) -> dict[str, Any] | None:
    """A finding as it may be kept: numbers that are not finite are left out, and one that is too large altogether."""
    plain = {name: value for name, value in finding.items() if not _odd(value)}
    size = len(json.dumps(plain).encode())
    return plain if size <= MOST_BYTES else None


def _odd(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_odd, value.values()))
    return isinstance(value, float) and not math.isfinite(value)
