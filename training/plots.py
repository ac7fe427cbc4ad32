"""Learning curves, confusion matrix and reliability diagram, as SVG."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from training.run_settings import CLASSES
from training.scores import Array, confusion, reliability

mpl.use("Agg")
mpl.rcParams.update({"svg.hashsalt": "training", "font.size": 9, "svg.fonttype": "none"})


def learning_curves(
    curves: Sequence[Sequence[float]], checked: Sequence[tuple[int, dict[str, float]]], path: Path
) -> None:
    """Losses of each epoch, and figures on the validation slices now and then.

    Args:
        curves: per epoch its number and the losses of class, heat and box.
        checked: epoch and figures by name.
        path: where to.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for column, name in enumerate(("class", "heat", "box"), start=1):
        left.plot([row[0] for row in curves], [row[column] for row in curves], label=name, linewidth=1)
    left.set(xlabel="epoch", ylabel="training loss", yscale="log")
    for name in ("class accuracy, three tumour kinds", "peak inside the box", "mean IoU of the box"):
        right.plot(
            [epoch for epoch, _ in checked], [figures[name] for _, figures in checked], "o-", markersize=3, label=name
        )
    right.set(xlabel="epoch", ylabel="on the validation block", ylim=(0, 1))
    for axes in (left, right):
        axes.legend(frameon=False)
    _save(figure, path)


def confusion_matrix(probabilities: Array, classes: Array, path: Path) -> None:
    """Counts by true and named class."""
    counts = confusion(probabilities, classes)
    figure, axes = plt.subplots(figsize=(4, 3.4), layout="constrained")
    axes.imshow(counts / counts.sum(1, keepdims=True).clip(1), cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in ((place, counts[place]) for place in sorted(_places(len(CLASSES)))):
        axes.text(column, row, str(count), ha="center", va="center", color="white" if row == column else "black")
    ticks = range(len(CLASSES))
    axes.set(xticks=ticks, yticks=ticks, xticklabels=CLASSES, yticklabels=CLASSES, xlabel="named", ylabel="true")
    _save(figure, path)


def reliability_diagram(probabilities: Array, classes: Array, path: Path) -> None:
    """How often the model is right, by how sure it says it is."""
    said, was, counts = reliability(probabilities, classes)
    figure, axes = plt.subplots(figsize=(4, 3.4), layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.plot(said, was, "o-", markersize=4)
    for across, up, count in zip(said, was, counts, strict=True):
        axes.annotate(str(count), (across, up), xytext=(4, -9), textcoords="offset points", fontsize=7)
    axes.set(xlabel="highest probability", ylabel="share right", xlim=(0.2, 1.02), ylim=(0, 1.05))
    _save(figure, path)


def _places(side: int) -> set[tuple[int, int]]:
    return {(row, column) for row in range(side) for column in range(side)}


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
