"""What several machines share: a PostgreSQL and a SeaweedFS, and the settings of a service that uses them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from testbed.storage.postgres import Postgres
from testbed.storage.seaweed import Seaweed


def shared_settings(postgres: Postgres, seaweed: Seaweed) -> dict[str, Any]:
    """Settings, without ONCO_ and in lower case, of a database and a prefix of the bucket that nobody else uses."""
    name = f"oncoserve_{uuid4().hex[:8]}"
    postgres.create(name)
    return {
        "jobs": "postgres",
        "postgres_url": postgres.url_of(name),
        "postgres_password_file": postgres.password_file,
        **seaweed.settings(name),
    }


@contextlib.contextmanager
def shared_storage(folder: Path) -> Iterator[tuple[Postgres, Seaweed]]:
    """Both, for the length of the block."""
    with Postgres(folder) as postgres, Seaweed(folder) as seaweed:
        yield postgres, seaweed
