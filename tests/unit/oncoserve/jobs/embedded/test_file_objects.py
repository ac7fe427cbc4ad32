import os

import pytest

from oncoserve.errors import UploadNotFound
from oncoserve.jobs.embedded import file_objects
from oncoserve.jobs.embedded.file_objects import FileObjectStore


@pytest.fixture
async def store(tmp_path):
    made = FileObjectStore(tmp_path / "objects")
    yield made
    await made.close()


async def test_the_sweep_takes_pictures_without_a_job_when_they_were_watched_for_long(store, tmp_path, monkeypatch):
    async def known(jobs):
        return {"known"} & set(jobs)

    for key in ("jobs/left/0", "jobs/left/1", "jobs/coming/0", "jobs/known/0"):
        await store.put(key, b"x")
    (tmp_path / "objects/jobs/left/.aside").write_bytes(b"left by a process that was killed")
    for path in (tmp_path / "objects").rglob("*"):
        os.utime(path, (0, 0))  # the time of another clock
    assert await store.sweep(known) == 0
    await store.put("jobs/coming/1", b"y")
    monkeypatch.setattr(file_objects, "ORPHAN_S", 1e-9)
    assert await store.sweep(known) == 3
    assert sorted(path.name for path in (tmp_path / "objects").rglob("*") if path.is_file()) == ["0", "0", "1"]
    assert await store.sweep(known) == 2
    assert sorted(path.name for path in (tmp_path / "objects").rglob("*")) == ["0", "jobs", "known"]


@pytest.mark.parametrize("key", ["../outside", "jobs/../../outside", "/etc/passwd", "jobs//x", "", "a\0b", "jobs/.."])
async def test_no_key_leads_out_of_the_folder(store, tmp_path, key):
    (tmp_path / "outside").write_bytes(b"secret")
    await store.put("jobs/0", b"x")
    with pytest.raises(UploadNotFound):
        await store.get(key)
