"""The exporters of this project, as they are in the checkout."""

import hashlib
import json
import subprocess
import sys

from model_export.exporters import CPU_FILE, EXPORTERS, GPU_FILE
from model_export.half.half_graph import to_half
from model_export.kept.kept_models import KEPT

from .conftest import CHECKOUT


def test_the_command_starts_without_the_heavy_libraries() -> None:
    listing = "import sys, model_export.__main__; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", listing], cwd=CHECKOUT.root, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"onnx", "onnxruntime", "numpy", "PIL"}.isdisjoint(loaded)


def test_each_exporter_has_a_model_folder_and_a_recipe() -> None:
    for exporter in EXPORTERS:
        assert (CHECKOUT.root / "model_repository" / exporter.name).is_dir()
        assert callable(exporter.recipe().build)
        assert callable(exporter.recipe().check)
        config = (CHECKOUT.root / "model_repository" / exporter.name / "config.pbtxt").read_text()
        assert (f'default_model_filename: "{CPU_FILE}"' in config) is bool(exporter.int8_module)
        assert exporter.gpu, "configs/gpu.pbtxt names its file"


def test_the_record_in_git_is_of_the_graph_for_gpus_that_is_made_here() -> None:
    records = [path for kept in KEPT for path in CHECKOUT.model(kept.name).glob("[0-9]*/export.json")]
    assert len(records) > len(KEPT)  # brain_tumour has two versions
    for record in records:
        recorded = json.loads(record.read_bytes())["files"][GPU_FILE]
        half = to_half(record.with_name("model.onnx").read_bytes())
        assert recorded["precision"] == "FP16"
        assert hashlib.sha256(half).hexdigest() == recorded["sha256"], (
            "run python -m model_export and commit the record"
        )
