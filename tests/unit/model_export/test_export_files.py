import hashlib
from pathlib import Path

from model_export.export_files import sha256_of


def test_the_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"content")
    assert sha256_of(tmp_path / "model.onnx") == hashlib.sha256(b"content").hexdigest()
