"""Learning curves, confusion by patient, reliability, and coverage against accuracy, as SVG."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from training.data import Slices
from training.figures.graph_answers import Answers, Array
from training.figures.scores import by_patient, confusion, coverage_curve, reliability
from training.losses import NAMES
from training.run_settings import CLASSES, NONE

mpl.use("Agg")
mpl.rcParams.update({"svg.hashsalt": "training", "font.size": 9, "svg.fonttype": "none"})


def draw(diaries: Sequence[Sequence[dict[str, float]]], said: Answers, truth: Slices, folder: Path) -> None:
    """All four.

    Args:
        diaries: of the folds.
        said: of the test slices of all folds.
        truth: those slices.
        folder: where to.
    """
    tumour = truth.classes != NONE
    said, truth = said.take(tumour), truth.take(tumour)
    _learning_curves(diaries, folder / "learning_curves.svg")
    weights = by_patient(truth.groups)
    _confusion(confusion(said.probabilities, truth.classes, weights), folder / "confusion_matrix.svg")
    _reliability(*said.highest(truth.classes), folder / "reliability.svg")
    _coverage(said, truth.classes, folder / "coverage.svg")


def _learning_curves(diaries: Sequence[Sequence[dict[str, float]]], path: Path) -> None:
    """Mean losses of the folds, and figures on the validation patients now and then."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for name in NAMES:
        means = [sum(each[name] for each in row) / len(row) for row in zip(*diaries, strict=True)]
        left.plot(range(1, len(means) + 1), means, label=name, linewidth=1)
    left.set(xlabel="epoch", ylabel="training loss, mean of the folds", yscale="log")
    for number, name in enumerate(("accuracy", "peak", "dice")):
        for diary in diaries:
            seen = [(entry["epoch"], entry[name]) for entry in diary if name in entry]
            label = name if diary is diaries[0] else None
            right.plot(*zip(*seen, strict=True), color=f"C{number}", linewidth=1, label=label)
    right.set(xlabel="epoch", ylabel="on each fold's validation patients", ylim=(0, 1))
    for axes in (left, right):
        axes.legend(frameon=False)
    _save(figure, path)


def _confusion(counts: Array, path: Path) -> None:
    """Patients by true and named class; a patient whose slices are named differently is shared out."""
    figure, axes = plt.subplots(figsize=(4, 3.4), layout="constrained")
    axes.imshow(counts / counts.sum(1, keepdims=True).clip(1), cmap="Blues", vmin=0, vmax=1)
    for row in range(len(CLASSES)):
        for column in range(len(CLASSES)):
            colour = "white" if row == column else "black"
            axes.text(column, row, f"{counts[row, column]:.1f}", ha="center", va="center", color=colour)
    ticks = range(len(CLASSES))
    axes.set(xticks=ticks, yticks=ticks, xticklabels=CLASSES, yticklabels=CLASSES)
    axes.set(xlabel="named, patients", ylabel="true")
    _save(figure, path)


def _reliability(highest: Array, right: Array, path: Path) -> None:
    """How often the model is right, by how sure it says it is."""
    said, was, counts = reliability(highest, right)
    figure, axes = plt.subplots(figsize=(4, 3.4), layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.plot(said, was, "o-", markersize=4)
    for across, up, count in zip(said, was, counts, strict=True):
        axes.annotate(str(count), (across, up), xytext=(4, -9), textcoords="offset points", fontsize=7)
    axes.set(xlabel="highest probability", ylabel="share right", xlim=(0.2, 1.02), ylim=(0, 1.05))
    _save(figure, path)


def _coverage(said: Answers, classes: Array, path: Path) -> None:
    """Class accuracy where it answers, by how many slices it answers: the surest first."""
    covered, right = coverage_curve(said, classes)
    figure, axes = plt.subplots(figsize=(4, 3.4), layout="constrained")
    few = len(covered) // 20
    axes.plot(covered[few:], right[few:], linewidth=1)
    axes.set(xlabel="share of slices answered, surest first", ylabel="class accuracy of those", xlim=(0, 1))
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
