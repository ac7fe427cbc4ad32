"""Train, calibrate, evaluate, export, plot: `python -m training --data PATH --out DIR`."""

import argparse
import json
import os
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from training import calibrate, data, plots, record, scores
from training.evaluate import answers, table
from training.export import export
from training.fit import Losses, Watch, fit, predict
from training.run_settings import NO_TUMOUR, SIDE, SOURCE_SIDE, RunSettings

CHECKS: int = 20
"""How often a run looks at its validation slices."""


def main() -> None:
    """One run on the split, whose figures count, and with --final one on all slices, whose graph is served."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with boxes.tsv; training/README.md")
    parser.add_argument("--out", type=Path, required=True, help="where graphs, figures and pictures go")
    parser.add_argument("--seed", type=int, default=RunSettings.seed)
    parser.add_argument("--epochs", type=int, default=RunSettings.epochs)
    parser.add_argument("--final", type=int, metavar="EPOCHS", help="then train on all slices as well, and export that")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    device = prepare()
    settings = replace(RunSettings(), seed=given.seed, epochs=given.epochs)
    exact, source = data.load(given.data, SIDE), data.load(given.data, SOURCE_SIDE)
    graph, document = on_the_split(exact, source, settings, device, given.out)
    if given.final:
        settings = replace(settings, epochs=given.final)
        network = fit(source, settings, device, watch(exact, device, given.final, Curves()))
        graph = export(network, document["temperature"])
        document["final"] = {"slices": len(source), "settings": asdict(settings)}
    record.write(given.out, graph, document)


def prepare() -> torch.device:
    """The device; the same numbers on each run as far as it can."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.deterministic = True
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    # Sampling and pooling have no deterministic kernel on some devices and say so each time.
    warnings.filterwarnings("ignore", message=".*deterministic.*")
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Curves:
    """What is drawn of a run: losses of each epoch, figures on the validation slices now and then."""

    def __init__(self) -> None:
        self.losses: list[tuple[int, float, float, float]] = []
        self.checked: list[tuple[int, dict[str, float]]] = []


def on_the_split(
    exact: data.Slices, source: data.Slices, settings: RunSettings, device: torch.device, out: Path
) -> tuple[bytes, dict[str, Any]]:
    """Train on the first numbers of each class, calibrate on the next, measure on the last."""
    train, validation, test = data.split(source.classes)
    held, curves = exact.take(validation), Curves()
    network = fit(source.take(train), settings, device, watch(held, device, settings.epochs, curves))
    logits, heat, boxes = predict(network, held.images, device)
    temperature = calibrate.temperature(logits, held.classes)
    found = scores.read(calibrate.softmax(logits, temperature), heat, boxes)
    graph = export(network, temperature)
    Path(out, "split.onnx").write_bytes(graph)
    tested = exact.take(test)
    said = answers(out / "split.onnx", tested)
    figures = scores.with_intervals(scores.per_slice(said, tested), tested, settings.seed)
    print("\n".join(table(figures, said, tested)))
    plots.learning_curves(curves.losses, curves.checked, out / "learning_curves.svg")
    plots.confusion_matrix(said.probabilities, tested.classes, out / "confusion_matrix.svg")
    plots.reliability_diagram(said.probabilities, tested.classes, out / "reliability.svg")
    return graph, {
        "settings": asdict(settings),
        "temperature": temperature,
        "least_certainty": calibrate.least_certainty(found.certainty, held.classes != NO_TUMOUR),
        "slices": {"training": len(train), "validation": len(validation), "test": len(test)},
        "test": figures,
    }


def watch(held: data.Slices, device: torch.device, epochs: int, curves: Curves) -> Watch:
    """Print and keep how a run goes."""

    def look(number: int, losses: Losses, network: nn.Module) -> None:
        curves.losses.append((number, losses.label, losses.heat, losses.box))
        if (number + 1) % max(1, epochs // CHECKS) == 0 or number + 1 == epochs:
            logits, heat, boxes = predict(network, held.images, device)
            found = scores.read(calibrate.softmax(logits), heat, boxes)
            figures = {name: float(np.nanmean(each)) for name, each in scores.per_slice(found, held).items()}
            curves.checked.append((number, figures))
            print(json.dumps({"epoch": number, **asdict(losses), **figures}), flush=True)

    return look


if __name__ == "__main__":
    main()
