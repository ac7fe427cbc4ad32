"""The commands of docs/questions.md copy what a service keeps, while it runs."""

import asyncio
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import insert

from oncoserve.jobs.embedded.sqlite_database import SqliteDatabase
from oncoserve.jobs.sql.job_tables import dead_letters
from oncoserve.results.in_files.file_results import FileResults
from oncoserve.runtime.service_clock import WallClock
from testbed.servers import PROJECT
from tests.code_blocks import code_block

RESULT = "a1" * 16
COMMANDS = code_block(PROJECT / "docs/questions.md", "sh", "sqlite3.connect")


@pytest.mark.skipif(shutil.which("tar") is None, reason="tar is not installed")
async def test_a_backup_of_a_running_service_can_be_brought_back(tmp_path):
    store, database = (
        FileResults(tmp_path / "results", ttl_s=3600),
        SqliteDatabase(tmp_path / "results/jobs", WallClock()),
    )
    store.save(RESULT, b'{"id": "%s"}' % RESULT.encode(), {"picture": b"pixels"})
    letter = {"model": "tiny", "body": "b", "reason": "r", "buried": 0.0}
    await database.write(lambda connection: connection.execute(insert(dead_letters).values(letter)))
    half = tmp_path / "results/a1/.0123456789abcdef"  # somebody writes it just now
    half.write_bytes(b"half")

    await run("sh", "-ec", COMMANDS, cwd=tmp_path)
    database.close()

    back = tmp_path / "back"
    back.mkdir()
    await run("tar", "-C", back, "-xf", tmp_path / "backup/results.tar")
    assert FileResults(back, ttl_s=3600).files(RESULT) == {"picture": b"pixels"}
    assert modified(back) == modified(tmp_path / "results")
    assert [path.name for path in back.rglob("*") if path.is_file()] == [f"{RESULT}.zip"]
    with sqlite3.connect(tmp_path / "backup/jobs.sqlite") as copy:
        assert copy.execute("select body from dead_letters").fetchall() == [("b",)]


async def run(*command: str | Path, cwd: Path | None = None) -> None:
    done = await asyncio.to_thread(subprocess.run, command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def modified(folder: Path) -> int:
    return int((folder / f"a1/{RESULT}.zip").stat().st_mtime)
