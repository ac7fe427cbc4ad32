"""The tables: as the code reads them, made once, and told where another version's code meets them."""

import asyncio
import contextlib
import shutil

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from oncoserve.errors import JobsUnavailable
from oncoserve.jobs.postgres import schema
from oncoserve.jobs.postgres.schema import TABLE, revision
from oncoserve.jobs.sql.job_tables import metadata
from oncoserve.jobs.sql.sql_queue import SqlQueue
from oncoserve.jobs.sql.sql_store import SqlStore
from tests.contract.jobs.test_store import job


def version_is(number):
    return lambda connection: connection.execute(text(f"UPDATE {TABLE} SET version_num = '{number}'"))  # noqa: S608


async def test_the_steps_make_what_the_code_reads(opened, place):
    def differences(connection):
        context = MigrationContext.configure(connection, opts={"version_table": TABLE})
        return compare_metadata(context, metadata)

    assert await opened(place).read(differences) == []


async def test_several_that_start_at_once_make_them_once(opened, place):
    databases = [opened(place) for _ in range(6)]
    assert set(await asyncio.gather(*(each.read(revision) for each in databases))) == {"0001"}


async def test_tables_of_a_newer_version_are_left_alone_and_told(opened, place):
    running = opened(place)
    await running.write(version_is("0099"))
    with pytest.raises(JobsUnavailable, match=r"newer version of the service \(schema 0099\)"):
        await opened(place).read(revision)
    assert await running.read(revision) == "0099"  # who runs already goes on: a newer version takes nothing away


async def test_a_service_that_is_brought_up_to_date_is_taken_at_the_next_question(opened, place):
    running, waiting = opened(place), opened(place)
    await running.write(version_is("0099"))
    with contextlib.suppress(JobsUnavailable):
        await waiting.read(revision)
    await running.write(version_is("0001"))
    assert await waiting.read(revision) == "0001"


@pytest.fixture
def next_version(monkeypatch, tmp_path):
    """Makes this process one of a version that has a column more; called when older ones are there."""

    def become():
        folder = tmp_path / "migrations"
        shutil.copytree(schema.FOLDER, folder)
        (folder / "versions/v0002_next.py").write_text(
            "import sqlalchemy as sa\nfrom alembic import op\n\nrevision, down_revision = '0002', '0001'\n\n\n"
            "def upgrade():\n    op.add_column('jobs', sa.Column('note', sa.String))\n"
        )
        monkeypatch.setattr(schema, "FOLDER", folder)

    return become


async def test_tables_of_an_older_version_are_brought_up_to_date_once_and_older_processes_go_on(
    opened, place, next_version
):
    old = opened(place)
    store = SqlStore(old, SqlQueue(old, 60.0))
    await store.create(job(1))
    next_version()
    newer = [opened(place) for _ in range(4)]
    assert set(await asyncio.gather(*(each.read(revision) for each in newer))) == {"0002"}
    await store.create(job(2))
    assert len((await store.page("ward", None, 9)).jobs) == 2
    assert len((await SqlStore(newer[0], SqlQueue(newer[0], 60.0)).page("ward", None, 9)).jobs) == 2


async def test_who_may_not_make_tables_is_told(opened, place, postgres):
    with contextlib.closing(postgres.connect(place.database)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"CREATE ROLE reader_{place.database} LOGIN PASSWORD 'a secret of this test'")
    other = opened(type(place)(place.host, place.port, place.database, f"reader_{place.database}", place.password_file))
    with pytest.raises(JobsUnavailable, match="may not do this in the database"):
        await other.read(revision)
