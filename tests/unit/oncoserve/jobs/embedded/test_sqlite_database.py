import asyncio
import shutil

import pytest
from sqlalchemy import text

from oncoserve.errors import JobsUnavailable
from oncoserve.jobs.embedded.sqlite_database import FILE, SqliteDatabase
from oncoserve.runtime.service_clock import WallClock


async def test_many_that_come_first_at_once_find_the_tables(tmp_path):
    """As processes do that are started together; each has an engine of its own."""
    databases = [SqliteDatabase(tmp_path / "jobs", WallClock()) for _ in range(6)]
    count = text("SELECT count(*) FROM messages")
    found = await asyncio.gather(*(each.write(lambda c: c.execute(count).scalar_one()) for each in databases))
    assert found == [0] * 6
    for each in databases:
        each.close()


async def test_what_a_failing_transaction_wrote_is_not_there(tmp_path):
    database = SqliteDatabase(tmp_path, WallClock())

    def work(connection):
        connection.execute(text("INSERT INTO dead_letters VALUES (1, 'm', 'b', 'r', 0)"))
        connection.execute(text("SELECT nonsense"))

    with pytest.raises(JobsUnavailable, match="no such column"):
        await database.write(work)
    assert await database.read(lambda c: c.execute(text("SELECT count(*) FROM dead_letters")).scalar_one()) == 0
    database.close()


async def test_a_database_that_is_removed_is_made_anew(tmp_path):
    database = SqliteDatabase(tmp_path / "jobs", WallClock())
    row = text("INSERT INTO dead_letters VALUES (1, 'm', 'b', 'r', 0)")
    await database.write(lambda c: c.execute(row))
    shutil.rmtree(tmp_path / "jobs")
    await database.write(lambda c: c.execute(row))
    assert (tmp_path / "jobs" / FILE).exists()
    database.close()


async def test_the_settings_that_the_promises_rest_on(tmp_path):
    database = SqliteDatabase(tmp_path, WallClock())

    def pragma(name):
        return database.read(lambda c: c.exec_driver_sql(f"PRAGMA {name}").scalar_one())

    assert [await pragma(name) for name in ("journal_mode", "synchronous", "secure_delete")] == ["wal", 2, 1]
    database.close()
