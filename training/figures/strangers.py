"""Pictures that are no brain slice: from folders, from scikit-image if it is there, and drawn ones.

None is like those that training makes (`augmentation/outliers.py`), so they show what it is worth elsewhere.
"""

import argparse
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.run_settings import SIDE

Bytes = npt.NDArray[np.uint8]

SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif"})
LARGEST: Final = 30_000_000
"""Pixels of a picture that is read."""


def picture_files(folder: Path) -> list[Path]:
    """Every picture in a folder and in those below it, sorted; a name may end in capitals."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def folder_of_pictures(text: str) -> Path:
    """The folder that an argument names, for `argparse`: a mistake in it is told before the work starts.

    Raises:
        argparse.ArgumentTypeError: there is no picture in it.
    """
    if not picture_files(Path(text)):
        raise argparse.ArgumentTypeError(f"{text} is no folder with pictures in it ({', '.join(sorted(SUFFIXES))})")
    return Path(text)


def load_strangers(folders: Sequence[Path]) -> tuple[Bytes, list[str]]:
    """(N, SIDE, SIDE) uint8 grey, and the name of the picture that each view is of."""
    found = [(path.name, view) for path in sorted(_paths(folders)) for view in _views(path)]
    found += _drawn()
    return np.stack([view for _, view in found]), [name for name, _ in found]


def halves(names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """(N,) true for every second picture: half of them choose a method, the other half say what it is worth."""
    order = {name: place for place, name in enumerate(sorted(set(names)))}
    return np.array([order[name] % 2 == 0 for name in names], bool)


def _paths(folders: Sequence[Path]) -> Iterator[Path]:
    places = list(folders)
    if spec := find_spec("skimage"):
        places += [Path(place) / "data" for place in spec.submodule_search_locations or ()]
    for place in places:
        yield from picture_files(place)


def _views(path: Path) -> Iterator[Bytes]:
    """The whole picture, and its quarters, stretched to a square as the service does."""
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > LARGEST:
                return
            grey = opened.convert("L")
    except OSError:  # one that Pillow cannot read; a folder of examples has some
        return
    middle, half = grey.width // 2, grey.height // 2
    boxes = [(0, 0, grey.width, grey.height)]
    if min(middle, half) >= SIDE // 2:
        boxes += [(x, y, x + middle, y + half) for x in (0, middle) for y in (0, half)]
    for box in boxes:
        yield np.asarray(grey.crop(box).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _drawn() -> list[tuple[str, Bytes]]:
    """Plain ones, stripes, squares, ramps, rings, rows as of text, and noise."""
    along = np.linspace(0, 1, SIDE)
    across, down = np.meshgrid(along, along)
    radius = np.hypot(across - 0.5, down - 0.5)
    chance = np.random.default_rng(0)
    words = np.kron(chance.random((28, 56)) < 0.6, np.ones((8, 4))) * (np.arange(SIDE) % 16 < 10)[:, np.newaxis]  # noqa: PLR2004
    pictures = {
        "black": np.zeros((SIDE, SIDE)),
        "white": np.ones((SIDE, SIDE)),
        "grey": np.full((SIDE, SIDE), 0.5),
        "ramp": across,
        "stripes": np.sin(60 * across) / 2 + 0.5,
        "squares": (np.floor(8 * across) + np.floor(8 * down)) % 2,
        "rings": np.sin(80 * radius) / 2 + 0.5,
        "disc": (radius < 0.35) * 0.7,  # noqa: PLR2004
        "ball": np.sqrt((0.16 - radius**2).clip(0)) * 2,
        "text": 1 - words,
        "noise": chance.random((SIDE, SIDE)),
        "square": (np.maximum(abs(across - 0.5), abs(down - 0.5)) < 0.3) * 0.8,  # noqa: PLR2004
    }
    return [(name, (255 * picture).clip(0, 255).astype(np.uint8)) for name, picture in pictures.items()]
