import json
import os
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from oncoserve.errors import ResultNotFound, StorageUnavailable
from oncoserve.results.damage import Damage
from oncoserve.results.store import ResultStore

ID = "0123456789abcdef0123456789abcdef"


def named(result=ID, **more):
    """A document; its id is what tells that a file is what was stored under this name."""
    return json.dumps({"id": result, **more}).encode()


def test_round_trip(tmp_path):
    store = ResultStore(tmp_path / "new" / "folder")
    assert store.find(ID) is None
    store.save(ID, named(), {"picture": b"pixels", "saliency.npy": b"map"})
    assert store.document(ID) == named()
    assert store.files(ID)["picture"] == b"pixels"
    store.save(ID, named(), {"picture": b"pixels"})  # the same job twice writes the same names
    assert store.find(ID) == named()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..", "", "0" * 31, "0" * 33, ID.upper(), f"{ID}/../x", f"{ID}\n"]
)
def test_other_names_never_reach_the_disk(tmp_path, name):
    store = ResultStore(tmp_path)
    assert store.find(name) is None
    with pytest.raises(ResultNotFound):
        store.files(name)


DAMAGE = {
    "empty": lambda whole: b"",
    "cut": lambda whole: whole[:-8],
    "zeros": lambda whole: bytes(len(whole)),
    "changed": lambda whole: whole.replace(b"pixels", b"pixel5"),
    "no archive": lambda whole: b"<html>",
    "of another": lambda whole: whole.replace(ID.encode(), b"f" * 32),
    "zeros in the middle": lambda whole: whole[:20] + bytes(60) + whole[80:],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_counts_as_absent_is_told_once_and_can_be_replaced_or_deleted(tmp_path, caplog, damage):
    counted = []
    store = ResultStore(tmp_path, damage=Damage(lambda: counted.append(1))).of("ward")
    store.save(ID, named(), {"picture": b"pixels"})
    file = next(tmp_path.rglob(f"{ID}.zip"))
    file.write_bytes(damage(file.read_bytes()))
    for _ in range(3):
        assert store.find(ID) is None
        with pytest.raises(ResultNotFound):
            store.files(ID)
    assert [record.file for record in caplog.records] == [file.name]
    assert len(counted) == 1
    store.save(ID, named(), {"picture": b"pixels"})
    assert store.find(ID) == named()
    file.write_bytes(b"")
    store.delete(ID)
    assert not file.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"view": 1}', b'{"view": [1]}', bytes(20)])
def test_damaged_notes_count_as_none(tmp_path, caplog, content):
    store = ResultStore(tmp_path)
    store.save(ID, named(), {})
    store.add_notes(ID, appended("a"))
    next(tmp_path.rglob(f"{ID}.json")).write_bytes(content)
    assert [store.notes(ID), store.notes(ID)] == [None, None]
    assert len(caplog.records) == 1
    store.add_notes(ID, appended("b"))
    assert store.notes(ID) == noted("b")


def test_what_is_synced_is_there_and_what_was_deleted_is_told(tmp_path):
    store = ResultStore(tmp_path)
    with pytest.raises(ResultNotFound):
        store.sync(ID)
    store.save(ID, named(), {})
    synced = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda number: synced.append(str(Path(f"/proc/self/fd/{number}").readlink())))
        store.sync(ID)
    assert synced == [str(tmp_path / "01" / f"{ID}.zip"), str(tmp_path / "01")]


def test_use_is_noted_and_changes_no_age(tmp_path):
    store = ResultStore(tmp_path)
    store.save(ID, named(), {})
    age(store, ID, 1000)
    file = next(tmp_path.rglob("*.zip"))
    store.document(ID)
    deadline = time.monotonic() + 60
    while time.time() - file.stat().st_atime > 100:
        assert time.monotonic() < deadline, "the use was not noted"
        time.sleep(0.01)
    assert time.time() - file.stat().st_mtime == pytest.approx(1000, abs=100)


def test_operators_can_open_it(tmp_path):
    ResultStore(tmp_path).save(ID, named(), {"picture": b"pixels"})
    with zipfile.ZipFile(tmp_path / "01" / f"{ID}.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "result.json": named(),
            "picture": b"pixels",
        }


def test_nothing_half_written_stays(tmp_path):
    store = ResultStore(tmp_path)
    with pytest.raises(TypeError):
        store.save(ID, named(), {"picture": None})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("operation", ["save", "find"])
def test_a_folder_that_cannot_be_used(tmp_path, operation):
    (tmp_path / ID[:2]).write_text("a file where a folder has to be")
    store = ResultStore(tmp_path)
    with pytest.raises(StorageUnavailable, match=r"Not a directory|File exists"):
        store.save(ID, named(), {}) if operation == "save" else store.find(ID)


def test_it_gets_its_name_when_it_is_whole(tmp_path, monkeypatch):
    seen = []
    replace = os.replace

    def watched(aside, path):
        seen.append((zipfile.ZipFile(aside).namelist(), Path(path).exists()))
        replace(aside, path)

    monkeypatch.setattr(os, "replace", watched)
    ResultStore(tmp_path).save(ID, named(), {"a": b"", "b": b""})
    assert seen == [(["result.json", "a", "b"], False)]


def age(store, result, seconds):
    """Let a result look as if it had been saved so long ago."""
    os.utime(next(store.folder.rglob(f"{result}.zip")), (time.time() - seconds,) * 2)


def test_owners_do_not_meet(tmp_path):
    store = ResultStore(tmp_path)
    ward, lab = store.of("ward"), store.of("lab")
    ward.save(ID, named(of="ward"), {"picture": b"pixels"})
    assert ward.find(ID) == named(of="ward")
    for other in (lab, store):
        assert other.find(ID) is None
        with pytest.raises(ResultNotFound):
            other.files(ID)
        with pytest.raises(ResultNotFound):
            other.delete(ID)
    lab.save(ID, named(of="lab"), {})
    assert (ward.find(ID), store.of("ward").find(ID)) == (named(of="ward"), named(of="ward"))
    assert store.of(None) is store


def test_deleted_is_gone_from_the_disk(tmp_path):
    store = ResultStore(tmp_path).of("ward")
    store.save(ID, named(), {"picture": b"pixels"})
    store.delete(ID)
    assert store.find(ID) is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with pytest.raises(ResultNotFound):
        store.delete(ID)


def test_deleting_that_fails_is_told(tmp_path, monkeypatch):
    store = ResultStore(tmp_path)
    store.save(ID, named(), {})

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)  # root, whom tests may run as, is refused nothing
    with pytest.raises(StorageUnavailable, match="Permission denied"):
        store.delete(ID)
    assert store.find(ID) == named()


@pytest.mark.parametrize(("ttl_s", "there"), [(0, True), (101, True), (99, False)])
def test_expired_is_not_there_before_any_sweep(tmp_path, ttl_s, there):
    store = ResultStore(tmp_path, ttl_s).of("ward")
    store.save(ID, named(), {"picture": b"pixels"})
    age(store, ID, 100)
    assert (store.find(ID) is not None) is there
    if not there:
        for refused in (store.document, store.files, store.delete):
            with pytest.raises(ResultNotFound):
                refused(ID)


def test_saving_again_begins_a_new_life(tmp_path):
    store = ResultStore(tmp_path, 99)
    store.save(ID, named(of="old"), {})
    age(store, ID, 100)
    store.save(ID, named(of="new"), {})
    assert store.find(ID) == named(of="new")


def appended(text):
    """Adds one more object to the notes' only view."""
    return lambda notes: json.dumps({"view": [*json.loads(notes or '{"view": []}')["view"], text]}).encode()


def noted(*texts):
    return json.dumps({"view": [*texts]}).encode()


def test_notes_are_kept_beside_the_result_and_go_with_it(tmp_path):
    store = ResultStore(tmp_path).of("ward")
    with pytest.raises(ResultNotFound):
        store.add_notes(ID, appended("a"))
    store.save(ID, named(), {})
    assert store.notes(ID) is None
    store.add_notes(ID, appended("a"))
    store.add_notes(ID, appended("b"))
    assert store.notes(ID) == noted("a", "b")
    assert ResultStore(tmp_path).notes(ID) is None
    store.delete(ID)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_notes_make_no_result_live_longer_and_expire_with_it(tmp_path):
    store = ResultStore(tmp_path, 99)
    store.save(ID, named(), {})
    age(store, ID, 98)
    store.add_notes(ID, appended("a"))
    assert store.notes(ID) == noted("a")
    ages = [time.time() - path.stat().st_mtime for path in tmp_path.rglob(f"{ID}.*")]
    assert ages == pytest.approx([98, 98], abs=1)
    for path in tmp_path.rglob(f"{ID}.*"):
        os.utime(path, (time.time() - 100,) * 2)
    assert store.notes(ID) is None


def test_notes_of_several_writers_are_all_kept(tmp_path):
    store = ResultStore(tmp_path)
    store.save(ID, named(), {})
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda index: store.add_notes(ID, appended(str(index))), range(40)))
    assert sorted(map(int, json.loads(store.notes(ID))["view"])) == list(range(40))


def test_notes_that_fail_leave_the_old_ones(tmp_path):
    store = ResultStore(tmp_path)
    store.save(ID, named(), {})
    store.add_notes(ID, appended("a"))

    def refuse(_):
        raise KeyError

    with pytest.raises(KeyError):
        store.add_notes(ID, refuse)
    assert store.notes(ID) == noted("a")
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 2


def test_pseudonyms_have_a_secret_of_each_owner(tmp_path):
    store = ResultStore(tmp_path)
    secret = store.secret()
    assert len(secret) == 32
    assert ResultStore(tmp_path).secret() == secret
    assert store.of("one").secret() not in {secret, store.of("two").secret()}
    assert (tmp_path / ".pseudonyms").stat().st_mode & 0o077 == 0


def test_of_many_who_ask_first_one_makes_the_secret(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: ResultStore(tmp_path).secret(), range(8)))
    assert len(found) == 1
