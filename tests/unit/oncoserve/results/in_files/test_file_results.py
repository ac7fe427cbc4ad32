import json
import os
import time
import zipfile
from pathlib import Path

import pytest

from oncoserve.errors import ResultNotFound, StorageUnavailable
from oncoserve.results.in_files.file_results import FileResults
from oncoserve.results.result_store import secret_of

ID = "0123456789abcdef0123456789abcdef"


def named(result=ID, **more):
    """A document; its id is what tells that a file is what was stored under this name."""
    return json.dumps({"id": result, **more}).encode()


def test_what_is_synced_is_there_and_what_was_deleted_is_told(tmp_path):
    store = FileResults(tmp_path)
    with pytest.raises(ResultNotFound):
        store.sync(ID)
    store.save(ID, named(), {})
    synced = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda number: synced.append(str(Path(f"/proc/self/fd/{number}").readlink())))
        store.sync(ID)
    assert synced == [str(tmp_path / "01" / f"{ID}.zip"), str(tmp_path / "01")]


def test_use_is_noted_and_changes_no_age(tmp_path):
    store = FileResults(tmp_path)
    store.save(ID, named(), {})
    age(store, ID, 1000)
    file = next(tmp_path.rglob("*.zip"))
    store.read(ID)
    deadline = time.monotonic() + 60
    while time.time() - file.stat().st_atime > 100:
        assert time.monotonic() < deadline, "the use was not noted"
        time.sleep(0.01)
    assert time.time() - file.stat().st_mtime == pytest.approx(1000, abs=100)


def test_operators_can_open_it(tmp_path):
    FileResults(tmp_path).save(ID, named(), {"picture": b"pixels"})
    with zipfile.ZipFile(tmp_path / "01" / f"{ID}.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "result.json": named(),
            "picture": b"pixels",
        }


def test_nothing_half_written_stays(tmp_path):
    store = FileResults(tmp_path)
    with pytest.raises(TypeError):
        store.save(ID, named(), {"picture": None})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("operation", ["save", "find"])
def test_a_folder_that_cannot_be_used(tmp_path, operation):
    (tmp_path / ID[:2]).write_text("a file where a folder has to be")
    store = FileResults(tmp_path)
    with pytest.raises(StorageUnavailable, match=r"Not a directory|File exists"):
        store.save(ID, named(), {}) if operation == "save" else store.find(ID)


def test_it_gets_its_name_when_it_is_whole(tmp_path, monkeypatch):
    seen = []
    replace = os.replace

    def watched(aside, path):
        seen.append((zipfile.ZipFile(aside).namelist(), Path(path).exists()))
        replace(aside, path)

    monkeypatch.setattr(os, "replace", watched)
    FileResults(tmp_path).save(ID, named(), {"a": b"", "b": b""})
    assert seen == [(["result.json", "a", "b"], False)]


def age(store, result, seconds):
    """Let a result look as if it had been saved so long ago."""
    os.utime(next(store.folder.rglob(f"{result}.zip")), (time.time() - seconds,) * 2)


def test_deleting_that_fails_is_told(tmp_path, monkeypatch):
    store = FileResults(tmp_path)
    store.save(ID, named(), {})

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)  # root, whom tests may run as, is refused nothing
    with pytest.raises(StorageUnavailable, match="Permission denied"):
        store.delete(ID)
    assert store.find(ID).document == named()


def appended(text):
    """Adds one more object to the notes' only view."""
    return lambda notes: json.dumps({"view": [*json.loads(notes or '{"view": []}')["view"], text]}).encode()


def noted(*texts):
    return json.dumps({"view": [*texts]}).encode()


def test_notes_make_no_result_live_longer_and_expire_with_it(tmp_path):
    store = FileResults(tmp_path, 99)
    store.save(ID, named(), {})
    age(store, ID, 98)
    store.add_notes(ID, appended("a"))
    assert store.read(ID).notes == noted("a")
    ages = [time.time() - path.stat().st_mtime for path in tmp_path.rglob(f"{ID}.*")]
    assert ages == pytest.approx([98, 98], abs=1)
    for path in tmp_path.rglob(f"{ID}.*"):
        os.utime(path, (time.time() - 100,) * 2)
    assert store.find(ID) is None


def test_the_secret_is_its_owners_alone(tmp_path):
    secret_of(FileResults(tmp_path))
    assert (tmp_path / ".pseudonyms").stat().st_mode & 0o077 == 0
