"""Slices, classes, patients and outlines from a folder."""

import csv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from training.run_settings import CLASSES, NONE, SOURCE_SIDE

Numbers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

FINER: Final = 4
"""An outline is drawn this many times as large, then averaged, so that a pixel at its edge is covered in part."""


@dataclass(frozen=True)
class Slices:
    """Slices of patients or of clusters of near-duplicates.

    Attributes:
        images: (N, S, S) uint8 grey, stretched to a square.
        masks: (N, S, S) uint8, 255 where the tumour is; zeros where there is none.
        classes: (N,) index into CLASSES, or NONE.
        groups: (N,) the patient or the cluster: what is never split.
    """

    images: Bytes
    masks: Bytes
    classes: Numbers
    groups: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.classes)

    def take(self, chosen: npt.NDArray[np.generic]) -> "Slices":
        """The slices at these indices, or where this is true."""
        return Slices(self.images[chosen], self.masks[chosen], self.classes[chosen], self.groups[chosen])

    def of(self, groups: Sequence[str]) -> "Slices":
        """The slices of these patients or clusters."""
        return self.take(np.isin(self.groups, list(groups)))


def join(one: Slices, other: Slices) -> Slices:
    """Both, one after the other."""
    pairs = ((getattr(one, name), getattr(other, name)) for name in ("images", "masks", "classes", "groups"))
    return Slices(*(np.concatenate(pair) for pair in pairs))


def load(folder: Path, side: int = SOURCE_SIDE, thin: int = 1) -> Slices:
    """Read every slice that slices.tsv or no_tumour_clusters.tsv names.

    Args:
        folder: with slices.tsv (file, class, patient, outline as "x,y x,y ..." in fractions of the picture), the
            pictures that it names, and perhaps no_tumour_clusters.tsv (file, cluster).
        side: pixels of the square that each is stretched to, with Pillow's bicubic filter as the service does.
        thin: of so many slices one is read.
    """
    rows = [row for row in _rows(folder / "slices.tsv") if row["class"] in CLASSES][::thin]
    clusters = folder / "no_tumour_clusters.tsv"
    spare = _rows(clusters)[::thin] if clusters.exists() else []
    files = [row["file"] for row in rows] + [row["file"] for row in spare]
    outlines = [row["outline"] for row in rows] + [""] * len(spare)
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(lambda file: _grey(folder / file, side), files))
        masks = list(pool.map(lambda outline: rasterised(outline, side), outlines))
    return Slices(
        images=np.stack(images),
        masks=np.stack(masks),
        classes=np.array([CLASSES.index(row["class"]) for row in rows] + [NONE] * len(spare)),
        groups=np.array([row["patient"] for row in rows] + [row["cluster"] for row in spare]),
    )


def resized(slices: Slices, side: int) -> Slices:
    """The slices at another size, as the service scales a picture."""
    if slices.images.shape[1] == side:
        return slices
    images = np.stack([_resize(each, side, Image.Resampling.BICUBIC) for each in slices.images])
    masks = np.stack([_resize(each, side, Image.Resampling.BOX) for each in slices.masks])
    return Slices(images, masks, slices.classes, slices.groups)


def rasterised(outline: str, side: int) -> Bytes:
    """(side, side) uint8: how much of each pixel lies within the outline, 255 for all of it."""
    drawn = Image.new("L", (side * FINER, side * FINER))
    corners = [tuple(float(part) * side * FINER for part in corner.split(",")) for corner in outline.split()]
    if corners:
        ImageDraw.Draw(drawn).polygon(corners, fill=255)
    return np.asarray(drawn.reduce(FINER))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _grey(path: Path, side: int) -> Bytes:
    with Image.open(path) as image:
        return np.asarray(image.convert("L").resize((side, side), Image.Resampling.BICUBIC))


def _resize(image: Bytes, side: int, method: Image.Resampling) -> Bytes:
    return np.asarray(Image.fromarray(image).resize((side, side), method))
