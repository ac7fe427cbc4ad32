"""The graph beside what made it: model.onnx and export.json, as the service reads them."""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from oncoserve.runtime.files import write_whole

CPU_FILE: Final = "model.cpu.onnx"
"""The quantised graph, which config.pbtxt names for CPUs."""


def write(folder: Path, graph: bytes, training: Mapping[str, Any], commit: str | None = None) -> None:
    """Write both files.

    Args:
        folder: where to.
        graph: the serialised graph.
        training: settings, figures and calibration of the run.
        commit: of the code that trained; that of this checkout if None.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sha256 = hashlib.sha256(graph).hexdigest()
    document = {
        "files": {"model.onnx": described(graph, "FP32", {})},
        "source": {
            "package": "oncoserve training",
            "version": commit or _commit(),
            "file": "training/",
            "sha256": sha256,
            "licence": "MIT",
        },
        "training": training,
        "exported_with": {name: version(name) for name in ("torch", "onnx")},
    }
    write_whole(folder / "model.onnx", graph)
    write_whole(folder / "export.json", rendered(document))


def described(graph: bytes, precision: str, checks: Mapping[str, Any]) -> dict[str, Any]:
    """What export.json says of one graph."""
    sha256 = hashlib.sha256(graph).hexdigest()
    return {"sha256": sha256, "bytes": len(graph), "precision": precision, "checks": checks}


def rendered(document: Mapping[str, Any]) -> bytes:
    """The content of export.json."""
    return (json.dumps(document, indent=2) + "\n").encode()


def _commit() -> str:
    root = Path(__file__).parents[1]
    done = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"],  # noqa: S607 - git as the user has it
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()
