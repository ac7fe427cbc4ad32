"""The INT8 graph for CPUs, if it points and names as well: `python -m training.int8 --version FOLDER --data PATH`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from model_export.graph import with_plain_weights
from model_export.quantise import quantise_convolutions
from oncoserve.runtime.files import write_whole
from training import record, scores
from training.data import load, split
from training.evaluate import answers
from training.run_settings import SIDE

CALIBRATION_STEP: Final = 25
"""One training slice in so many gives the bounds of the activations."""
LARGEST_LOSS: Final = 0.01
"""How much lower a figure may be than in FP32."""
GATED: Final = ("class accuracy, three tumour kinds", "peak inside the box", "mean IoU of the box", "recall of notumor")


def quantise(graph: bytes, grey: scores.Array) -> bytes:
    """The INT8 graph of one whose kernels are stored as float16, calibrated on (N, S, S) uint8 slices."""
    return quantise_convolutions(with_plain_weights(graph), np.repeat(grey[..., np.newaxis], 3, axis=3))


def gate(exact: dict[str, float], quantised: dict[str, float]) -> dict[str, dict[str, float]]:
    """What each figure loses, and how much it may.

    Raises:
        SystemExit: one loses more; CPUs then stay with the FP32 graph.
    """
    checks = {name: {"value": exact[name] - quantised[name], "limit": LARGEST_LOSS} for name in GATED}
    over = [name for name, each in checks.items() if each["value"] > each["limit"]]
    if over:
        raise SystemExit("INT8 loses more than it may: " + ", ".join(over))
    return checks


def main(arguments: Sequence[str] | None = None) -> None:
    """Write model.cpu.onnx beside model.onnx, and what was checked into export.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", type=Path, required=True, help="the folder of model.onnx and export.json")
    parser.add_argument("--data", type=Path, required=True, help="a folder with boxes.tsv")
    given = parser.parse_args(arguments)
    slices = load(given.data, SIDE)
    train, validation, test = split(slices.classes)
    graph = Path(given.version, "model.onnx")
    quantised = quantise(graph.read_bytes(), slices.images[train[::CALIBRATION_STEP]])
    path = graph.with_name(record.CPU_FILE)
    aside = path.with_suffix(".trial")
    aside.write_bytes(quantised)
    compared = slices.take(np.sort(np.concatenate([validation, test])))
    figures = []
    for each in (graph, aside):
        values = scores.per_slice(answers(each, compared), compared)
        figures.append({name: float(np.nanmean(value)) for name, value in values.items()})
    aside.unlink()
    checks = gate(*figures)
    document: dict[str, Any] = json.loads(graph.with_name("export.json").read_bytes())
    document["files"][record.CPU_FILE] = record.described(quantised, "INT8", checks)
    write_whole(path, quantised)
    write_whole(graph.with_name("export.json"), record.rendered(document))
    sys.stdout.write(f"{json.dumps(checks, indent=2)}\n{path}: {len(quantised)} bytes\n")


if __name__ == "__main__":
    main()
