import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from oncoserve.errors import UploadNotFound
from oncoserve.jobs.embedded.file_objects import FileObjectStore


@pytest.fixture
async def store(tmp_path):
    made = FileObjectStore(tmp_path / "objects")
    yield made
    await made.close()


async def test_the_sweep_takes_what_is_old_and_the_folders_that_are_empty_then(store, tmp_path):
    for key in ("jobs/old/0", "jobs/mixed/0", "jobs/mixed/1"):
        await store.put(key, b"x")
    (tmp_path / "objects/jobs/old/.aside").write_bytes(b"left by a process that was killed")
    for path in ("jobs/old/0", "jobs/old/.aside", "jobs/mixed/0"):
        os.utime(tmp_path / "objects" / path, (time.time() - 100,) * 2)
    assert await store.sweep(datetime.now(UTC) - timedelta(seconds=50)) == 3
    assert sorted(path.name for path in (tmp_path / "objects").rglob("*")) == ["1", "jobs", "mixed"]


@pytest.mark.parametrize("key", ["../outside", "jobs/../../outside", "/etc/passwd", "jobs//x", "", "a\0b", "jobs/.."])
async def test_no_key_leads_out_of_the_folder(store, tmp_path, key):
    (tmp_path / "outside").write_bytes(b"secret")
    await store.put("jobs/0", b"x")
    with pytest.raises(UploadNotFound):
        await store.get(key)
