"""What is up to date and left alone, and what is made again."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from PIL import Image

from model_export import exporters
from model_export.export_files import Layout
from model_export.exporters import export
from model_export.sources import Region

from .conftest import SERVED, TINY, TinyRecipe


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
