"""The tables as this version of the service knows them, and how older ones become such.

A change adds and takes nothing away that the version before reads or writes, so that processes of both versions can
run beside each other while they are replaced one by one.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from oncoserve.errors import JobsUnavailable

FOLDER = Path(__file__).parent / "migrations"
TABLE = "oncoserve_schema"
LOCK = text("SELECT pg_advisory_xact_lock(hashtext('oncoserve schema'))")


def upgrade(connection: Connection) -> None:
    """Make the tables, or bring those of an older version up to date; of several that start at once, one does.

    Raises:
        JobsUnavailable: the tables are of a newer version.
    """
    if is_current(connection):
        return
    connection.execute(LOCK)
    if is_current(connection):
        return
    configuration = _configuration()
    known = {each.revision for each in ScriptDirectory.from_config(configuration).walk_revisions()}
    found = revision(connection)
    if found is not None and found not in known:
        raise JobsUnavailable(f"PostgreSQL: its tables are of a newer version of the service (schema {found})")
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")


def is_current(connection: Connection) -> bool:
    """Whether the tables are of this version."""
    return revision(connection) == ScriptDirectory.from_config(_configuration()).get_current_head()


def revision(connection: Connection) -> str | None:
    """Which version the tables are of; None where there are none."""
    return MigrationContext.configure(connection, opts={"version_table": TABLE}).get_current_revision()


def _configuration() -> Config:
    found = Config()
    found.set_main_option("script_location", str(FOLDER))
    return found
