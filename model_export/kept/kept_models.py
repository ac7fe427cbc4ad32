"""Models that are kept in git, not exported: only their graph for GPUs is made here."""

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

from model_export.export_files import Layout, sha256_of
from model_export.exporters import EXPORTERS, GPU_FILE, Exporter, Graph, Pictured, Report, fetch, for_gpu
from oncoserve.runtime.files import write_whole


@dataclass(frozen=True)
class Kept:
    """One model whose model.onnx and export.json are in git.

    Attributes:
        name: The model's name in the repository.
        samples: The exported model whose sample pictures it shares.
        module: Where its pictures are read; imported when a graph is due.
    """

    name: str
    samples: Exporter
    module: str


KEPT: Final = (Kept("brain_tumour", EXPORTERS[0], "model_export.kept.brain_tumour"),)


def complete(kept: Kept, layout: Layout, report: Report, *, force: bool = False) -> None:
    """Makes the graph for GPUs of each version of one model unless the one that export.json records is there.

    The record is in git as well. It is written anew, after the gate, only where the graph is another one than recorded:
    the conversion gives the same bytes everywhere, while what the gate measures differs by a CPU's last bits.

    Raises:
        FetchError: The samples are needed and cannot be fetched.
    """
    for record in sorted(layout.model(kept.name).glob("[0-9]*/export.json"), key=lambda path: int(path.parent.name)):
        _complete(kept, record.parent, layout, report, force=force)


def _complete(kept: Kept, folder: Path, layout: Layout, report: Report, *, force: bool) -> None:
    record: dict[str, Any] = json.loads((folder / "export.json").read_bytes())
    recorded = record["files"].get(GPU_FILE, {})
    path = folder / GPU_FILE
    if not force and path.is_file() and sha256_of(path) == recorded.get("sha256"):
        report(f"{kept.name} {folder.name}: up to date")
        return
    exact = Graph((folder / "model.onnx").read_bytes(), "FP32", record["files"]["model.onnx"]["checks"])
    half = import_module("model_export.half.half_gate").to_half(exact.content)
    if not force and Graph(half, "FP16", {}).record()["sha256"] == recorded.get("sha256"):
        graph = Graph(half, "FP16", recorded["checks"])
    else:
        fetch(kept.samples, layout, report)
        images = cast("Pictured", import_module(kept.module)).pictures(layout.samples(kept.samples.name))
        graph = for_gpu(kept.name, exact, images, report)
        record["files"][GPU_FILE] = graph.record()
        write_whole(folder / "export.json", (json.dumps(record, indent=2) + "\n").encode())
    write_whole(path, graph.content)
    written = path.relative_to(layout.root)
    report(f"{kept.name}: wrote {written} ({graph.precision}, {len(graph.content) / 1e6:.1f} MB)")
