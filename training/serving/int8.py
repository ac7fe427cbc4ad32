"""The INT8 graph for CPUs, if it names, points, outlines and answers as well as the FP32 graph."""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from model_export.graph import with_plain_weights
from model_export.quantise import quantise_convolutions
from oncoserve.runtime.files import write_whole
from training.data import Slices
from training.evaluate import answers, limits
from training.figures import scores
from training.figures.graph_answers import Array
from training.serving import record

CALIBRATION_STEP: Final = 20
"""One slice in so many gives the bounds of the activations."""
COMPARED_STEP: Final = 4
"""One slice in so many is compared, of the weights that saw them all."""
LARGEST_LOSS: Final = 0.01
"""How much lower a figure may be than in FP32."""
GATED: Final = (
    "class accuracy of all",
    "answers, slices with a tumour",
    "peak on the tumour",
    "Dice of the outline",
)


def quantise(graph: bytes, grey: Array) -> bytes:
    """The INT8 graph of one whose kernels are stored as float16, calibrated on (N, S, S) uint8 slices."""
    return quantise_convolutions(with_plain_weights(graph), np.repeat(grey[..., np.newaxis], 3, axis=3))


def gate(exact: dict[str, float], quantised: dict[str, float]) -> tuple[dict[str, dict[str, float]], list[str]]:
    """What each figure loses and how much it may; the names of those that lose more."""
    checks = {name: {"value": exact[name] - quantised[name], "limit": LARGEST_LOSS} for name in GATED}
    return checks, [name for name, each in checks.items() if each["value"] > each["limit"]]


def add(version: Path, slices: Slices, fold: Path, unseen: Slices) -> str:
    """Write model.cpu.onnx beside model.onnx, and what was checked into export.json, if it holds.

    Args:
        version: the folder of the graph that is served.
        slices: with a tumour; every one may have trained it.
        fold: the folder of a fold's graph, on which the loss is measured too.
        unseen: slices that this fold tests on.

    Returns:
        a sentence: what was written, or which figure loses more than it may; then there is no such file.
    """
    calibration = slices.take(~np.isin(slices.groups, unseen.groups)).images[::CALIBRATION_STEP]
    checks: dict[str, Any] = {}
    for name, folder, compared in (
        ("served", version, slices.take(np.arange(0, len(slices), COMPARED_STEP))),
        ("unseen patients", fold, unseen),
    ):
        graph = folder / "model.onnx"
        aside = folder / "trial.onnx"
        aside.write_bytes(quantise(graph.read_bytes(), calibration))
        figures = [_figures(each, compared) for each in (graph, aside)]
        quantised = aside.read_bytes()
        aside.unlink()
        own, over = gate(*figures)
        if over:
            (version / record.CPU_FILE).unlink(missing_ok=True)
            return f"INT8 is not written: {name}: loses more than {LARGEST_LOSS}: {', '.join(over)} ({own})"
        checks |= {f"{name}: {figure}": each for figure, each in own.items()}
        if folder == version:
            served = quantised
    document: dict[str, Any] = json.loads((version / "export.json").read_bytes())
    document["files"][record.CPU_FILE] = record.described(served, "INT8", checks)
    write_whole(version / record.CPU_FILE, served)
    write_whole(version / "export.json", record.rendered(document))
    return f"{version / record.CPU_FILE}: {len(served)} bytes, {json.dumps(checks)}"


def _figures(graph: Path, compared: Slices) -> dict[str, float]:
    values = scores.per_slice(answers(graph, compared.images), compared, limits(graph.with_name("model.onnx")))
    return {name: float(np.nanmean(each)) for name, each in values.items() if not np.isnan(each).all()}
