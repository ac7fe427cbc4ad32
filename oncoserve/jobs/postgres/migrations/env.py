"""Runs the steps on the connection that `schema.upgrade` has; Alembic asks for this file."""

from alembic import context

from oncoserve.jobs.postgres.schema import TABLE
from oncoserve.jobs.sql.job_tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=TABLE,
    transaction_per_migration=False,
)
context.run_migrations()
