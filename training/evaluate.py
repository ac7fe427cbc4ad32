"""Figures of a served graph on a folder of slices: `python -m training.evaluate --model FOLDER --data PATH`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from training import scores
from training.data import Slices, load
from training.run_settings import CLASSES, SIDE

BATCH: int = 16


def answers(graph: Path, slices: Slices) -> scores.Answers:
    """What the graph says of slices of SIDE pixels."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    found = []
    for start in range(0, len(slices), BATCH):
        grey = slices.images[start : start + BATCH, ..., np.newaxis]
        found.append(session.run(["probabilities", "heatmap", "boxes"], {"image": np.repeat(grey, 3, axis=3)}))
    probabilities, heatmaps, boxes = (np.concatenate(part) for part in zip(*found, strict=True))
    return scores.read(probabilities, heatmaps, boxes)


def table(figures: dict[str, dict[str, float]], found: scores.Answers, slices: Slices) -> list[str]:
    """Lines to read: figures with intervals, then the confusion matrix."""
    lines = [f"{len(slices)} slices; 95 % intervals by a bootstrap over blocks of {scores.BLOCK} neighbours"]
    lines += [
        f"{name:40} {each['value']:.3f}  ({each['low']:.3f} to {each['high']:.3f})" for name, each in figures.items()
    ]
    lines.append(
        f"{'expected calibration error':40} {scores.calibration_error(found.probabilities, slices.classes):.3f}"
    )
    counts = scores.confusion(found.probabilities, slices.classes)
    lines += ["true class, then how often each is named: " + ", ".join(CLASSES)]
    lines += [f"{name:12}" + "".join(f"{count:6}" for count in row) for name, row in zip(CLASSES, counts, strict=True)]
    return lines


def newest(model: Path, file: str) -> Path:
    """The graph of the model's newest version."""
    versions = [path for path in model.iterdir() if path.name.isdigit() and Path(path, file).exists()]
    if not versions:
        raise SystemExit(f"no version of {model} holds {file}")
    return max(versions, key=lambda path: int(path.name)) / file


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a model's folder, or a graph")
    parser.add_argument("--file", default="model.onnx", help="which graph of the newest version")
    parser.add_argument("--data", type=Path, required=True, help="a folder with boxes.tsv")
    parser.add_argument("--seed", type=int, default=1, help="of the bootstrap")
    given = parser.parse_args(arguments)
    graph = newest(given.model, given.file) if given.model.is_dir() else given.model
    slices = load(given.data, SIDE)
    found = answers(graph, slices)
    figures = scores.with_intervals(scores.per_slice(found, slices), slices, given.seed)
    sys.stdout.write("\n".join(table(figures, found, slices)) + "\n")


if __name__ == "__main__":
    main()
