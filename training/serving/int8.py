"""The graph for CPUs: INT8 if it names, points, outlines, answers and keeps silent as well as FP32; else FP32."""

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
from training.run_settings import NONE
from training.serving import record

CALIBRATION_STEP: Final = 20
"""One slice in so many gives the bounds of the activations."""
COMPARED_STEP: Final = 4
"""One slice in so many is compared, of the weights that saw them all."""
LARGEST_LOSS: Final = 0.01
"""How much worse a figure may be than in FP32."""
STRANGERS: Final = "strangers given a class"
LOWER: Final = (scores.FALSE_ALARMS, STRANGERS)
"""Gated figures that are the better the lower they are."""
GATED: Final = (scores.ACCURACY_OF_ALL, scores.ANSWERED, scores.PEAK_OF_ALL, scores.DICE_OF_ALL, *LOWER)


def quantise(graph: bytes, grey: Array) -> bytes:
    """The INT8 graph of one whose kernels are stored as float16, calibrated on (N, S, S) uint8 slices."""
    return quantise_convolutions(with_plain_weights(graph), np.repeat(grey[..., np.newaxis], 3, axis=3))


def gate(exact: dict[str, float], quantised: dict[str, float]) -> tuple[dict[str, dict[str, float]], list[str]]:
    """What each figure loses and how much it may; the names of those that lose more."""
    signs: dict[str, int] = {name: -1 if name in LOWER else 1 for name in GATED if name in exact}
    checks = {
        name: {"value": sign * (exact[name] - quantised[name]), "limit": LARGEST_LOSS} for name, sign in signs.items()
    }
    return checks, [name for name, each in checks.items() if each["value"] > each["limit"]]


def add(version: Path, slices: Slices, fold: Path, unseen: Slices, strangers: Array) -> str:
    """Write model.cpu.onnx beside model.onnx, and what was checked into export.json.

    Args:
        version: the folder of the graph that is served.
        slices: every one may have trained it.
        fold: the folder of a fold's graph, on which the loss is measured too.
        unseen: slices that this fold tests on.
        strangers: (N, S, S) uint8, pictures that are no brain.

    Returns:
        a sentence: what was checked, or which figure loses more than it may; then model.cpu.onnx is the FP32 graph.
    """
    known = slices.take((slices.classes != NONE) & ~np.isin(slices.groups, unseen.groups))
    calibration = known.images[::CALIBRATION_STEP]
    checks: dict[str, Any] = {}
    exact = (version / "model.onnx").read_bytes()
    for name, folder, compared in (
        ("served", version, slices.take(np.arange(0, len(slices), COMPARED_STEP))),
        ("unseen patients", fold, unseen),
    ):
        graph = folder / "model.onnx"
        aside = folder / "trial.onnx"
        aside.write_bytes(quantise(graph.read_bytes(), calibration))
        figures = [_figures(each, compared, strangers) for each in (graph, aside)]
        quantised = aside.read_bytes()
        aside.unlink()
        own, over = gate(*figures)
        if over:
            reason = f"INT8: {name}: worse by more than {LARGEST_LOSS}: {', '.join(over)} ({own})"
            _write(version, exact, {**record.described(exact, "FP32", {}), "reason": reason})
            return reason
        checks |= {f"{name}: {figure}": each for figure, each in own.items()}
        if folder == version:
            served = quantised
    _write(version, served, record.described(served, "INT8", checks))
    return f"{version / record.CPU_FILE}: {len(served)} bytes, {json.dumps(checks)}"


def _write(version: Path, graph: bytes, described: dict[str, Any]) -> None:
    document: dict[str, Any] = json.loads((version / "export.json").read_bytes())
    document["files"][record.CPU_FILE] = described
    write_whole(version / record.CPU_FILE, graph)
    write_whole(version / "export.json", record.rendered(document))


def _figures(graph: Path, compared: Slices, strangers: Array) -> dict[str, float]:
    own = limits(graph.with_name("model.onnx"))
    values = scores.per_slice(answers(graph, compared.images), compared, own)
    values[STRANGERS] = own.answered(answers(graph, strangers)).astype(float)
    return {name: float(np.nanmean(each)) for name, each in values.items() if not np.isnan(each).all()}
