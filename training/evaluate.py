"""Figures of a served graph on a folder of slices: `python -m training.evaluate --model FOLDER --data PATH`.

The graph of a fold, of slices that it never saw: `--model build/training/fold_0 --split build/training/split.tsv
--fold 0`.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from model_export.export_files import newest_version
from training import split
from training.data import Bytes, Slices, load
from training.figures import scores
from training.figures.calibrate import Limits
from training.figures.graph_answers import Answers, joined
from training.run_settings import CLASSES, NONE, SIDE

BATCH: int = 16


def answers(graph: Path, images: Bytes) -> Answers:
    """What the graph says of (N, SIDE, SIDE) uint8 grey."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    found = []
    for start in range(0, len(images), BATCH):
        grey = images[start : start + BATCH, ..., np.newaxis]
        said = session.run(["probabilities", "mask", "strangeness"], {"image": np.repeat(grey, 3, axis=3)})
        found.append(Answers(said[0], said[1].astype(np.float16), said[2][:, 0]))
    return joined(found)


def limits(graph: Path) -> Limits:
    """The limits that export.json beside the graph states."""
    stated: dict[str, Any] = json.loads(graph.with_name("export.json").read_bytes())["training"]["limits"]
    return Limits(**{name: stated[name] for name in ("strangeness", "seen", "probability", "mask")})


def table(figures: dict[str, Any]) -> list[str]:
    """Lines to read: figures, with intervals where they have one."""
    lines = ["95 % intervals by a bootstrap over patients (clusters)"]
    for name, each in figures.items():
        if isinstance(each, dict):
            interval = f"  ({each['low']:.3f} to {each['high']:.3f})" if "low" in each else ""
            lines.append(f"{name:44} {each['value']:.3f}{interval}")
    return lines


def newest(model: Path, file: str) -> Path:
    """The graph of the model's newest version, or the one in the folder itself.

    Raises:
        SystemExit: there is none.
    """
    if Path(model, file).exists():
        return model / file
    try:
        return newest_version(model, file) / file
    except FileNotFoundError as error:
        raise SystemExit(f"{model} holds no {file}, and {error}") from None


def chosen(slices: Slices, given: argparse.Namespace) -> Slices:
    """The slices that test in a fold, or all."""
    if given.split is None:
        return slices
    return slices.of(split.groups(split.read(given.split), given.fold, split.TEST))


def parser(description: str | None) -> argparse.ArgumentParser:
    """What this and the probes ask for."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", type=Path, required=True, help="the folder of a model, of a version or of a fold")
    made.add_argument("--file", default="model.onnx", help="which graph")
    made.add_argument("--data", type=Path, required=True, help="a folder with slices.tsv")
    made.add_argument("--split", type=Path, help="split.tsv of a run: only who tests in --fold")
    made.add_argument("--fold", type=int, default=0)
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures."""
    asked = parser(__doc__)
    asked.add_argument("--seed", type=int, default=1, help="of the bootstrap")
    given = asked.parse_args(arguments)
    graph = newest(given.model, given.file)
    slices = chosen(load(given.data, SIDE), given)
    said = answers(graph, slices.images)
    figures: dict[str, Any] = scores.with_intervals(
        scores.per_slice(said, slices, limits(graph)), slices.groups, given.seed
    )
    own = slices.classes != NONE
    error = scores.calibration_error(*said.take(own).highest(slices.classes[own]))
    figures["expected calibration error of all"] = {"value": error}
    counts = scores.confusion(said.probabilities[own], slices.classes[own])
    lines = [*table(figures), "true class, then how often each is named: " + ", ".join(CLASSES)]
    lines += [
        f"{name:12}" + "".join(f"{count:6.0f}" for count in row) for name, row in zip(CLASSES, counts, strict=True)
    ]
    sys.stdout.write(f"{len(slices)} slices\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
