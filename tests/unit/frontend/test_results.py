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
