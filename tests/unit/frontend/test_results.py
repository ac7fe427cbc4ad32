import os
import time
from pathlib import Path

import pytest

from frontend.errors import ResultNotFound, StorageUnavailable
from frontend.results import ResultStore, result_id

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


def test_a_result_without_its_document_does_not_exist(tmp_path):
    store = ResultStore(tmp_path)
    store.save(ID, b"{}", {"picture": b"pixels"})
    next(tmp_path.rglob("result.json")).unlink()  # as if killed before the last write
    with pytest.raises(ResultNotFound):
        store.document(ID)


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


def test_document_is_written_last(tmp_path, monkeypatch):
    order = []
    replace = Path.replace
    monkeypatch.setattr(
        Path, "replace", lambda self, target: (order.append(Path(target).name), replace(self, target))[1]
    )
    ResultStore(tmp_path).save(ID, b"{}", {"a": b"", "b": b""})
    assert order == ["a", "b", "result.json"]


def age(store, result, seconds):
    """Let a result look as if it had been saved so long ago."""
    folder = next(store.folder.rglob(result))
    for path in (*folder.iterdir(), folder):
        os.utime(path, (time.time() - seconds,) * 2)


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

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)  # root, whom tests may run as, is refused nothing
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
    left = {path.parent.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {ids[1]}


def test_a_sweep_removes_what_a_killed_process_left(tmp_path):
    store = ResultStore(tmp_path, 99)
    store.save(ID, b"{}", {"picture": b"pixels"})
    next(tmp_path.rglob("result.json")).unlink()  # killed before the last write
    (next(tmp_path.rglob(ID)) / ".tmp").write_bytes(b"half a picture")
    age(store, ID, 100)
    aside = tmp_path / ".removed-0123"  # killed while it deleted
    aside.mkdir()
    (aside / "picture").write_bytes(b"pixels")
    for shard in store.shards():
        store.sweep(shard)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_result_that_is_being_written_again_is_left_alone(tmp_path):
    store = ResultStore(tmp_path, 99)
    store.save(ID, b"old", {"picture": b"pixels"})
    age(store, ID, 100)
    (next(tmp_path.rglob(ID)) / ".tmp").write_bytes(b"the new picture")
    for shard in store.shards():
        store.sweep(shard)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 3
