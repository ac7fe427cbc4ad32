"""Pictures, classes and boxes from a folder, and its split by blocks of numbers."""

import csv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.run_settings import CLASSES

Numbers = npt.NDArray[np.int64]

TRAIN_SHARE: Final = 0.70
VALIDATION_SHARE: Final = 0.15


@dataclass(frozen=True)
class Slices:
    """Labelled slices, ordered by class and number.

    Attributes:
        images: (N, S, S) uint8 grey, stretched to a square.
        classes: (N,) index into CLASSES.
        boxes: (N, 4) float32 left, top, right, bottom in fractions of the picture; zeros where there is no tumour.
        numbers: (N,) the slice's number in its class; neighbours often show one patient.
    """

    images: npt.NDArray[np.uint8]
    classes: Numbers
    boxes: npt.NDArray[np.float32]
    numbers: Numbers

    def __len__(self) -> int:
        return len(self.classes)

    def take(self, chosen: Numbers) -> "Slices":
        """The slices at these indices."""
        return Slices(self.images[chosen], self.classes[chosen], self.boxes[chosen], self.numbers[chosen])


def load(folder: Path, side: int) -> Slices:
    """Read every slice that boxes.tsv names.

    Args:
        folder: with boxes.tsv (file, class, centre_x, centre_y, width, height in fractions of the picture; one row a
            slice) and the pictures it names, <class>/<number>.jpg.
        side: pixels of the square that each is stretched to, with Pillow's bicubic filter as the service does.
    """
    with Path(folder, "boxes.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    rows.sort(key=lambda row: (CLASSES.index(row["class"]), int(Path(row["file"]).stem)))
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(lambda row: _grey(folder / row["file"], side), rows))
    return Slices(
        images=np.stack(images),
        classes=np.array([CLASSES.index(row["class"]) for row in rows]),
        boxes=np.array([_box(row) for row in rows], np.float32),
        numbers=np.array([int(Path(row["file"]).stem) for row in rows]),
    )


def split(classes: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Indices for training, validation and test: per class the first, the next and the last numbers, never mixed.

    Args:
        classes: (N,) of slices ordered by class and number.
    """
    parts: list[list[Numbers]] = [[], [], []]
    for index in range(len(CLASSES)):
        own = np.flatnonzero(classes == index)
        ends = [round(len(own) * TRAIN_SHARE), round(len(own) * (TRAIN_SHARE + VALIDATION_SHARE))]
        for part, chosen in zip(parts, np.split(own, ends), strict=True):
            part.append(chosen)
    train, validation, test = (np.concatenate(part) for part in parts)
    return train, validation, test


def blocks(classes: Numbers, size: int) -> Sequence[Numbers]:
    """Runs of `size` neighbouring slices of one class: what a bootstrap draws, since neighbours are not independent."""
    found: list[Numbers] = []
    for index in range(len(CLASSES)):
        own = np.flatnonzero(classes == index)
        found.extend(own[start : start + size] for start in range(0, len(own), size))
    return found


def _grey(path: Path, side: int) -> npt.NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("L").resize((side, side), Image.Resampling.BICUBIC))


def _box(row: dict[str, str]) -> tuple[float, float, float, float]:
    if not row["width"]:
        return (0.0, 0.0, 0.0, 0.0)
    x, y, width, height = (float(row[name]) for name in ("centre_x", "centre_y", "width", "height"))
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
