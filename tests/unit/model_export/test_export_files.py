import hashlib
from pathlib import Path

import pytest

from model_export.export_files import newest_version, sha256_of


def test_the_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"content")
    assert sha256_of(tmp_path / "model.onnx") == hashlib.sha256(b"content").hexdigest()


def test_the_newest_version_that_has_the_files(tmp_path: Path) -> None:
    for name, files in {"1": "ab", "9": "ab", "10": "a", "x": "ab", "configs": "b"}.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).touch()
    (tmp_path / "11").mkdir()
    (tmp_path / "12").touch()
    assert newest_version(tmp_path, "a") == tmp_path / "10"
    assert newest_version(tmp_path, "a", "b") == newest_version(tmp_path, "b") == tmp_path / "9"
    with pytest.raises(FileNotFoundError, match="no version with a and c"):
        newest_version(tmp_path, "a", "c")
