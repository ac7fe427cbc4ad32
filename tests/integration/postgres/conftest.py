"""A database of each test's own on Debian's PostgreSQL."""

from uuid import uuid4

import pytest

from oncoserve.jobs.postgres.postgres_database import PostgresDatabase, Server
from testbed.storage.postgres import USER


@pytest.fixture
def place(postgres):
    """A database that nobody else uses."""
    name = f"oncoserve_{uuid4().hex[:8]}"
    postgres.create(name)
    return Server("127.0.0.1", postgres.port, name, USER, postgres.password_file)


@pytest.fixture
def opened():
    """Opens databases, as `opened(server)`; the test's end closes them."""
    made = []

    def open_database(server, timeout_s=5.0):
        made.append(PostgresDatabase(server, timeout_s))
        return made[-1]

    yield open_database
    for each in made:
        each.close()
