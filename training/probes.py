"""How much of an answer needs no tumour: `python -m training.probes --model GRAPH --data PATH`.

Two questions. What can be told from the margins of the pictures alone, where no tumour is? And what does a model say
of a slice from which the tumour was painted away?
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.data import Slices, load, split
from training.evaluate import answers, newest
from training.run_settings import NO_TUMOUR, SIDE
from training.scores import Array

MARGIN: int = SIDE // 14
"""Pixels at each edge that the probe of margins sees."""
COARSE: int = 8
"""Pixels a side of the cells that it averages."""
RIDGE: float = 10.0


def margin_accuracy(train: Slices, test: Slices) -> tuple[float, float]:
    """Share right of a ridge classifier that sees margins only: tumour or not, and which of the three kinds."""
    kinds = [slices.classes != NO_TUMOUR for slices in (train, test)]
    seen = [_margins(slices.images) for slices in (train, test)]
    whether = _ridge(seen[0], kinds[0].astype(int), seen[1], kinds[1].astype(int))
    which = _ridge(seen[0][kinds[0]], train.classes[kinds[0]], seen[1][kinds[1]], test.classes[kinds[1]])
    return whether, which


def painted_away(slices: Slices) -> Slices:
    """The slices with a tumour, its box filled with grey values from just outside, blended from edge to edge."""
    chosen = slices.take(np.flatnonzero(slices.classes != NO_TUMOUR))
    images = chosen.images.copy()
    for image, box in zip(images, chosen.boxes, strict=True):
        left, top, right, bottom = (np.clip(box, 0, 1) * (SIDE - 1)).round().astype(int)
        across = np.linspace(0, 1, right - left + 1)
        down = np.linspace(0, 1, bottom - top + 1)[:, np.newaxis]
        rows, columns = slice(top, bottom + 1), slice(left, right + 1)
        flat = image[rows, left, np.newaxis] * (1 - across) + image[rows, right, np.newaxis] * across
        steep = image[top, columns] * (1 - down) + image[bottom, columns] * down
        image[rows, columns] = ((flat + steep) / 2).round()
    return Slices(images, chosen.classes, chosen.boxes, chosen.numbers)


def _margins(images: Array) -> Array:
    """(N, F) float: means of small cells along the edges."""
    cells = images.reshape(len(images), SIDE // COARSE, COARSE, SIDE // COARSE, COARSE).mean((2, 4))
    edge = np.ones(cells.shape[1:], bool)
    edge[MARGIN // COARSE : -(MARGIN // COARSE), MARGIN // COARSE : -(MARGIN // COARSE)] = False
    return np.column_stack([cells[:, edge] / 255, np.sqrt(cells[:, edge] / 255), np.ones(len(images))])


def _ridge(features: Array, classes: Array, unseen: Array, truth: Array) -> float:
    wanted = np.eye(classes.max() + 1)[classes]
    weights = np.linalg.solve(features.T @ features + RIDGE * np.eye(features.shape[1]), features.T @ wanted)
    return float(((unseen @ weights).argmax(1) == truth).mean())


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both answers, on the last block of the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a model's folder, or a graph")
    parser.add_argument("--data", type=Path, required=True, help="a folder with boxes.tsv")
    given = parser.parse_args(arguments)
    slices = load(given.data, SIDE)
    train, _, test = (slices.take(part) for part in split(slices.classes))
    whether, which = margin_accuracy(train, test)
    graph = newest(given.model, "model.onnx") if given.model.is_dir() else given.model
    before = answers(graph, test.take(np.flatnonzero(test.classes != NO_TUMOUR)))
    after = answers(graph, painted_away(test))
    lines = [
        f"margins alone: tumour or not {whether:.3f}, which of three kinds {which:.3f}",
        f"tumour painted away: notumor named in {(after.probabilities.argmax(1) == NO_TUMOUR).mean():.3f}",
        f"same class as before in {(after.probabilities.argmax(1) == before.probabilities.argmax(1)).mean():.3f}",
        f"median certainty {np.median(before.certainty):.3f} before, {np.median(after.certainty):.3f} after",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
