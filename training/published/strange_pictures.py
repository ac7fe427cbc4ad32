"""Pictures that no class of brain_mri fits: strangers, strangers in a dark surround, figures of several slices."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

Bytes = npt.NDArray[np.uint8]

LAYOUTS: Final = ((1, 2), (2, 1), (2, 2), (2, 2), (2, 3), (3, 3))
"""Rows and columns."""


def in_an_oval(picture: Bytes) -> Bytes:
    """(S, S) uint8: as large as a head and as dark around it, which no rule on the picture can tell from one."""
    down, across = np.mgrid[-1 : 1 : picture.shape[0] * 1j, -1 : 1 : picture.shape[1] * 1j]
    inside: Bytes = picture * (np.square(across / 0.75) + np.square(down / 0.9) < 1)
    return inside


def panels(slices: Sequence[Image.Image], count: int, chance: np.random.Generator) -> list[Image.Image]:
    """Figures without gaps, of slices that are drawn anew for each."""
    return [_figure(slices, *LAYOUTS[number % len(LAYOUTS)], chance) for number in range(count)]


def _figure(slices: Sequence[Image.Image], rows: int, columns: int, chance: np.random.Generator) -> Image.Image:
    side = 240
    figure = Image.new("L", (columns * side, rows * side))
    for place, index in enumerate(chance.choice(len(slices), rows * columns, replace=False).tolist()):
        shown = slices[index].resize((side, side), Image.Resampling.BICUBIC)
        figure.paste(shown, (place % columns * side, place // columns * side))
    return figure
