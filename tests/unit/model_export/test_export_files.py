import hashlib
from pathlib import Path

import pytest

from model_export.export_files import sha256_of, write_whole


def test_writes_the_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.onnx"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]
    assert sha256_of(path) == hashlib.sha256(b"second").hexdigest()


def test_a_reader_keeps_the_whole_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_whole(path, b"the old content")
    with path.open("rb") as reader:
        write_whole(path, b"new")
        assert reader.read() == b"the old content"


def test_a_failed_write_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.mkdir()
    with pytest.raises(OSError, match=r"model\.onnx"):
        write_whole(path, b"content")
    assert list(tmp_path.iterdir()) == [path]
