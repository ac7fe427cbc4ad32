"""Records as they may be found in the database of one machine: of older versions, damaged."""

import json
import sqlite3

import pytest

from oncoserve.jobs.embedded.sqlite_database import FILE
from oncoserve.jobs.job import JobFinding, Outcome
from oncoserve.settings import Settings
from oncoserve.wiring import open_adapters
from tests.contract.jobs.test_store import GLIOMA, finish, job


@pytest.fixture
async def store(tmp_path):
    adapters = open_adapters(Settings(results_dir=tmp_path))
    yield adapters.store
    await adapters.close()


def replace_outcome(folder, text):
    with sqlite3.connect(folder / "jobs" / FILE) as database:
        database.execute("update images set outcome = ? where place = 0", [text])
    database.close()


async def test_a_record_of_an_older_version_has_no_finding(store, tmp_path):
    await finish(store, job(images=2), GLIOMA, GLIOMA)
    older = json.dumps({"result": "f" * 32, "files": {"overlay": "overlay.png"}, "fault": None})
    replace_outcome(tmp_path, older)
    read = await store.get(job().record.id)
    assert read.images[0].outcome == Outcome("f" * 32, {"overlay": "overlay.png"})
    (listed,) = (await store.page("ward", None, 1)).jobs
    assert listed.finding == read.record.finding == JobFinding({"glioma": 1})


@pytest.mark.parametrize("text", ["", "{", "7", '{"finding": [1]}', '{"finding": {"label": {"a": 1}}}'])
async def test_one_that_is_damaged_does_not_take_the_list_with_it(store, tmp_path, text):
    await finish(store, job(images=3), GLIOMA, GLIOMA, GLIOMA)
    replace_outcome(tmp_path, text)
    (listed,) = (await store.page("ward", None, 1)).jobs
    assert (listed.finding, listed.progress.succeeded) == (JobFinding({"glioma": 2}), 3)


async def test_what_was_found_is_gone_from_the_file_when_its_job_has_expired(store, tmp_path):
    def files_with_it():
        return [path for path in (tmp_path / "jobs").glob(f"{FILE}*") if b"0.875" in path.read_bytes()]

    await finish(store, job(images=1), GLIOMA)
    assert files_with_it()
    expires = job().record.expires
    await store.sweep(expires.replace(year=expires.year + 1), job().record.created)
    (listed,) = (await store.page("ward", None, 1)).jobs
    assert listed.finding is None
    assert not files_with_it()
