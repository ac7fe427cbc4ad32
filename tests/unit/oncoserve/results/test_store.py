import os
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from oncoserve.errors import ResultNotFound, StorageUnavailable
from oncoserve.results.store import ResultStore, result_id

ID = "0123456789abcdef0123456789abcdef"


def test_id_names_the_whole_question():
    base = ("aa", "brain_mri", "1", "bb", {})
    others = [("ab", *base[1:]), ("aa", "x", "1", "bb", {}), ("aa", "brain_mri", "2", "bb", {}),
              ("aa", "brain_mri", "1", None, {}), (*base[:4], {"threshold": 0.5})]  # fmt: skip
    ids = {result_id(*each) for each in [base, *others]}
    assert len(ids) == 6
    assert result_id(*base) == result_id(*base)
    assert result_id(*base[:4], {"a": 1, "b": 2}) == result_id(*base[:4], {"b": 2, "a": 1})


def test_round_trip(tmp_path):
    store = ResultStore(tmp_path / "new" / "folder")
    assert store.find(ID) is None
    store.save(ID, b"{}", {"picture": b"pixels", "saliency.npy": b"map"})
    assert store.document(ID) == b"{}"
    assert store.files(ID)["picture"] == b"pixels"
    store.save(ID, b"{}", {"picture": b"pixels"})  # the same job twice writes the same names
    assert store.find(ID) == b"{}"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..", "", "0" * 31, "0" * 33, ID.upper(), f"{ID}/../x", f"{ID}\n"]
)
def test_other_names_never_reach_the_disk(tmp_path, name):
    store = ResultStore(tmp_path)
    assert store.find(name) is None
    with pytest.raises(ResultNotFound):
        store.files(name)


@pytest.mark.parametrize("damage", [lambda whole: whole[:-8], lambda whole: whole.replace(b"pixels", b"pixel5")])
def test_a_damaged_file_is_told(tmp_path, damage):
    store = ResultStore(tmp_path)
    store.save(ID, b"{}", {"picture": b"pixels"})
    file = next(tmp_path.rglob(f"{ID}.zip"))
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(StorageUnavailable, match="damaged"):
        store.files(ID)
    store.save(ID, b"{}", {"picture": b"pixels"})
    assert store.find(ID) == b"{}"


def test_operators_can_open_it(tmp_path):
    ResultStore(tmp_path).save(ID, b"{}", {"picture": b"pixels"})
    with zipfile.ZipFile(tmp_path / "01" / f"{ID}.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"result.json": b"{}", "picture": b"pixels"}


def test_nothing_half_written_stays(tmp_path):
    store = ResultStore(tmp_path)
    with pytest.raises(TypeError):
        store.save(ID, b"{}", {"picture": None})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("operation", ["save", "find"])
def test_a_folder_that_cannot_be_used(tmp_path, operation):
    (tmp_path / ID[:2]).write_text("a file where a folder has to be")
    store = ResultStore(tmp_path)
    with pytest.raises(StorageUnavailable, match=r"Not a directory|File exists"):
        store.save(ID, b"{}", {}) if operation == "save" else store.find(ID)


def test_it_gets_its_name_when_it_is_whole(tmp_path, monkeypatch):
    seen = []
    replace = os.replace

    def watched(aside, path):
        seen.append((zipfile.ZipFile(aside).namelist(), Path(path).exists()))
        replace(aside, path)

    monkeypatch.setattr(os, "replace", watched)
    ResultStore(tmp_path).save(ID, b"{}", {"a": b"", "b": b""})
    assert seen == [(["result.json", "a", "b"], False)]


def age(store, result, seconds):
    """Let a result look as if it had been saved so long ago."""
    os.utime(next(store.folder.rglob(f"{result}.zip")), (time.time() - seconds,) * 2)


def test_owners_do_not_meet(tmp_path):
    store = ResultStore(tmp_path)
    ward, lab = store.of("ward"), store.of("lab")
    ward.save(ID, b"ward", {"picture": b"pixels"})
    assert ward.find(ID) == b"ward"
    for other in (lab, store):
        assert other.find(ID) is None
        with pytest.raises(ResultNotFound):
            other.files(ID)
        with pytest.raises(ResultNotFound):
            other.delete(ID)
    lab.save(ID, b"lab", {})
    assert (ward.find(ID), store.of("ward").find(ID)) == (b"ward", b"ward")
    assert store.of(None) is store


def test_deleted_is_gone_from_the_disk(tmp_path):
    store = ResultStore(tmp_path).of("ward")
    store.save(ID, b"{}", {"picture": b"pixels"})
    store.delete(ID)
    assert store.find(ID) is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with pytest.raises(ResultNotFound):
        store.delete(ID)


def test_deleting_that_fails_is_told(tmp_path, monkeypatch):
    store = ResultStore(tmp_path)
    store.save(ID, b"{}", {})

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)  # root, whom tests may run as, is refused nothing
    with pytest.raises(StorageUnavailable, match="Permission denied"):
        store.delete(ID)
    assert store.find(ID) == b"{}"


@pytest.mark.parametrize(("ttl_s", "there"), [(0, True), (101, True), (99, False)])
def test_expired_is_not_there_before_any_sweep(tmp_path, ttl_s, there):
    store = ResultStore(tmp_path, ttl_s).of("ward")
    store.save(ID, b"{}", {"picture": b"pixels"})
    age(store, ID, 100)
    assert (store.find(ID) is not None) is there
    if not there:
        for refused in (store.document, store.files, store.delete):
            with pytest.raises(ResultNotFound):
                refused(ID)


def test_saving_again_begins_a_new_life(tmp_path):
    store = ResultStore(tmp_path, 99)
    store.save(ID, b"old", {})
    age(store, ID, 100)
    store.save(ID, b"new", {})
    assert store.find(ID) == b"new"


def test_a_sweep_removes_what_expired_of_every_owner_and_nothing_else(tmp_path):
    store = ResultStore(tmp_path, 99)
    ids = [digit * 32 for digit in "01"]
    for each in (store, store.of("ward"), store.of("lab")):
        for result in ids:
            each.save(result, b"{}", {"picture": b"pixels"})
        age(each, ids[0], 100)
    assert sum(store.sweep(shard) for shard in store.shards()) == 3
    left = {path.stem for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {ids[1]}


def test_a_sweep_removes_what_a_killed_process_left_and_nothing_that_is_being_written(tmp_path):
    store = ResultStore(tmp_path, 99)
    store.save(ID, b"{}", {})
    left, young = (tmp_path / ID[:2] / name for name in (".left", ".young"))
    for path in (left, young):
        path.write_bytes(b"half a picture")
    os.utime(left, (time.time() - 100,) * 2)
    for shard in store.shards():
        store.sweep(shard)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {f"{ID}.zip", ".young"}


def appended(text):
    return lambda notes: (notes or b"") + text


def test_notes_are_kept_beside_the_result_and_go_with_it(tmp_path):
    store = ResultStore(tmp_path).of("ward")
    with pytest.raises(ResultNotFound):
        store.add_notes(ID, appended(b"a"))
    store.save(ID, b"{}", {})
    assert store.notes(ID) is None
    store.add_notes(ID, appended(b"a"))
    store.add_notes(ID, appended(b"b"))
    assert store.notes(ID) == b"ab"
    assert ResultStore(tmp_path).notes(ID) is None
    store.delete(ID)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_notes_make_no_result_live_longer_and_expire_with_it(tmp_path):
    store = ResultStore(tmp_path, 99)
    store.save(ID, b"{}", {})
    age(store, ID, 98)
    store.add_notes(ID, appended(b"a"))
    assert store.notes(ID) == b"a"
    ages = [time.time() - path.stat().st_mtime for path in tmp_path.rglob(f"{ID}.*")]
    assert ages == pytest.approx([98, 98], abs=1)
    for path in tmp_path.rglob(f"{ID}.*"):
        os.utime(path, (time.time() - 100,) * 2)
    assert store.notes(ID) is None
    assert sum(store.sweep(shard) for shard in store.shards()) == 2


def test_notes_of_several_writers_are_all_kept(tmp_path):
    store = ResultStore(tmp_path)
    store.save(ID, b"{}", {})
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda index: store.add_notes(ID, appended(bytes([index]))), range(40)))
    assert sorted(store.notes(ID)) == list(range(40))


def test_notes_that_fail_leave_the_old_ones(tmp_path):
    store = ResultStore(tmp_path)
    store.save(ID, b"{}", {})
    store.add_notes(ID, appended(b"a"))

    def refuse(_):
        raise KeyError

    with pytest.raises(KeyError):
        store.add_notes(ID, refuse)
    assert store.notes(ID) == b"a"
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 2
