"""Whether a picture can be what a model is for: one check for every kind of task, before anything is inferred.

A model names a class for whatever it is shown. These rules see a picture that has nothing in it and, where the card
says what the model's pictures look like, one of another kind. docs/plausibility.md has what each of them was measured
on, and what none of them can tell. Results that are stored keep the answer that older rules let them have: whoever
changes the rules raises `READING_RULES`, which is in a result's id.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageStat

from oncoserve.pictures.picture import Picture
from oncoserve.pictures.rgb import Warn
from oncoserve.tasks.card import Pictures

CELLS: Final = 64
"""A picture is judged by so many cells along each side, or up to twice as many: means of pixels, without the noise."""
LEAST_CONTRAST, LEAST_TEXTURE = 12, 6
"""Of 255: a picture is blank whose cells are that close to their median and whose pixels have no larger deviation."""
SURE_CONTRAST: Final = 2 * (LEAST_CONTRAST + 1)
"""Of two cells that differ by so much one is not close to the median, whatever that is."""
COLOURED: Final = 24
"""Of 255: from this difference of its channels on a cell is coloured; a slight cast of a grey picture makes less."""
MOST_COLOURED: Final = 0.05
"""Share of coloured cells up to which a picture is grey: arrows and letters of a viewer take 1 to 3 %."""
BRIGHT_BORDER: Final = 0.4
"""Of the brightest: 3,715 brain slices have 0.28 at most at their border, grey photographs mostly over 0.45."""
BORDER_SHARE: Final = 0.05
"""Of each side: what counts as the border."""
DARK: Final = 0.1
"""Of the brightest: below it, a cell is background."""
LEAST_MIDDLE: Final = 0.25
"""Share of the middle quarter of the picture that has to be brighter than the background."""
LEAST_SIDE: Final = 1 / 3
"""Of a side of the picture: 3,715 brain slices fill 0.39 of either at least."""
LEAST_FILLED: Final = 0.08
"""Share of a row or column that is brighter than the background where the object is; a mark or a letter is less."""
LEAST_SHADES: Final = 0.05
"""Of the brightest, from the 10th to the 90th percentile of what is brighter than the background: 3,715 brain slices
have 0.21 at least, a mask has 0."""
GUTTER_CONTRAST: Final = 0.06
"""Of the brightest: a line across the whole picture is empty with no more between its darkest and brightest segment."""
SEGMENT, MANY = 8, 24
"""Pixels of a line's segments. Of so many, the brightest and the darkest do not count: a panel's frame makes one."""
LEAST_PANEL: Final = 3
"""The longest panel is at most so many times as long; 3,715 brain slices have no gap that makes two of them."""
GUTTER_SIDE: Final = 512
"""Pixels of the longer side, about, at which empty lines are looked for."""


def doubts(picture: Picture, expected: Pictures) -> tuple[Warn, ...]:
    """Why the picture is nothing that the model can answer about; empty if it may be.

    Does CPU work: for 512 x 512 pixels two milliseconds where one object on dark is expected, else next to nothing.

    Args:
        picture: the upload, its pixels not released.
        expected: what the model's pictures look like.
    """
    if min(picture.width, picture.height) < expected.least_side_px:
        message = (
            f"The picture has {picture.width} x {picture.height} pixels; below {expected.least_side_px} along a side "
            "there is too little to see."
        )
        return (Warn("picture_too_small", message),)
    reduced = _reduced(picture.image())
    size = max(1, reduced.width // CELLS), max(1, reduced.height // CELLS)
    if not (expected.one_object_on_dark or expected.colour == "grey"):
        middle = reduced.height // size[1] // 2 * size[1]
        if _spread(_cells(reduced, size, (0, middle, reduced.width, middle + size[1]))) >= SURE_CONTRAST:
            return ()  # the rest need not be looked at
    cells = _cells(reduced, size, (0, 0, *reduced.size))
    if not _has_contrast(cells) and ImageStat.Stat(reduced.convert("L")).stddev[0] <= LEAST_TEXTURE:
        return (Warn("blank_picture", "The picture is blank: all of it has the same shade, so nothing can be seen."),)
    found = _one_object(cells.max(axis=0), reduced.convert("L")) if expected.one_object_on_dark else []
    if expected.colour == "grey" and (coloured := _coloured(cells)) > MOST_COLOURED:
        message = (
            f"The picture is coloured, {max(coloured, 0.01):.0%} of it; the model knows grey pictures only. "
            "A tinted one can be converted to grey."
        )
        found.append(Warn("not_grey", message))
    return tuple(found)


def _reduced(image: Image.Image) -> Image.Image:
    """The picture with its longer side at about `GUTTER_SIDE`; itself where it is that small: Pillow would copy."""
    factor = max(image.size) // GUTTER_SIDE
    return image.reduce(factor) if factor > 1 else image


def _cells(image: Image.Image, size: tuple[int, int], box: tuple[int, int, int, int]) -> NDArray[np.int16]:
    """(3, h, w) the mean colour of each cell of a part of the picture, 0-255."""
    return np.moveaxis(np.asarray(image.reduce(size, box)), 2, 0).astype(np.int16, order="C")  # so numpy is faster


def _one_object(cells: NDArray[np.int16], grey: Image.Image) -> list[Warn]:
    """What does not fit one object in the middle of a dark picture.

    Args:
        cells: (h, w) int16, brightness 0-255.
        grey: the picture, mode L.
    """
    found = []
    brightest = max(1.0, float(np.percentile(cells, 99)))
    border = float(np.median(cells[_ring(*cells.shape)]) / brightest)
    if border > BRIGHT_BORDER:
        message = (
            f"The border of the picture is not dark: it has {border:.0%} of the greatest brightness. The model knows "
            "whole slices on a dark background, neither inverted nor cut out."
        )
        found.append(Warn("background_not_dark", message))
    if (panels := _panels(grey, GUTTER_CONTRAST * brightest)) > 1:
        message = f"The picture is made of at least {panels} panels; send each of them as a picture of its own."
        found.append(Warn("several_panels", message))
    if (side := _side(cells > DARK * brightest)) < LEAST_SIDE:
        message = f"What is to be seen fills {side:.0%} of a side of the picture; cut the empty margin off."
        found.append(Warn("object_too_small", message))
    if _shades(grey, DARK * brightest) < LEAST_SHADES * brightest:
        message = "Whatever is not background has one shade, as in a mask or a drawing; send the slice itself."
        found.append(Warn("one_shade", message))
    if _middle(cells, DARK * brightest) < LEAST_MIDDLE:
        message = "There is next to nothing in the middle of the picture, where the model expects the object."
        found.append(Warn("middle_empty", message))
    return found


def _has_contrast(cells: NDArray[np.int16]) -> bool:
    """Whether a cell differs from the median cell by more whole levels than LEAST_CONTRAST, in any channel."""
    if _spread(cells) >= SURE_CONTRAST:
        return True
    median = np.median(cells, axis=(1, 2), keepdims=True)
    return bool(np.abs(cells - median).max() >= LEAST_CONTRAST + 1)


def _spread(cells: NDArray[np.int16]) -> int:
    """Largest difference of two cells, in any channel."""
    return int((cells.max(axis=(1, 2)) - cells.min(axis=(1, 2))).max())


def _coloured(cells: NDArray[np.int16]) -> float:
    """Share of the cells that are coloured."""
    return float((cells.max(axis=0) - cells.min(axis=0) > COLOURED).mean())


def _ring(height: int, width: int) -> NDArray[np.bool_]:
    """(height, width) the cells along the border."""
    ring = np.ones((height, width), np.bool_)
    rows, columns = max(1, round(BORDER_SHARE * height)), max(1, round(BORDER_SHARE * width))
    ring[rows:-rows, columns:-columns] = False
    return ring


def _middle(cells: NDArray[np.int16], dark: float) -> float:
    """Share of the cells in the middle quarter that are brighter than `dark`."""
    rows, columns = cells.shape[0] // 4, cells.shape[1] // 4
    return float((cells[rows : 3 * rows + 1, columns : 3 * columns + 1] > dark).mean())


def _side(bright: NDArray[np.bool_]) -> float:
    """The share of its side that the object fills, of the side that it fills less of.

    Args:
        bright: (h, w) the cells that are brighter than the background.
    """
    filled = (np.flatnonzero(bright.mean(axis=axis) > LEAST_FILLED) for axis in (0, 1))
    return min(
        (int(np.ptp(places)) + 1) / side if len(places) else 0.0
        for places, side in zip(filled, bright.shape[::-1], strict=True)
    )


def _shades(grey: Image.Image, dark: float) -> int:
    """From the 10th to the 90th percentile of the pixels that are brighter than `dark`, 0-255."""
    counts = np.cumsum(grey.histogram()[int(dark) + 1 :])
    low, high = np.searchsorted(counts, counts[-1:] * (0.1, 0.9))
    return int(high - low)


def _panels(grey: Image.Image, contrast: float) -> int:
    """The panels that empty lines across the whole picture part it into, 1 at least.

    What is less than a third as long as the longest is a caption, a scale or a letter, and no panel.

    Args:
        grey: mode L.
        contrast: 0-255, between the segments of a line that is still empty.
    """
    count = 1
    for factor, axis in (((SEGMENT, 1), 1), ((1, SEGMENT), 0)):
        segments = np.asarray(grey.reduce(factor))
        last = segments.shape[axis] - 1
        few = last // MANY
        ordered = np.partition(segments, (few, last - few), axis=axis)
        filled = ordered.take(last - few, axis) - ordered.take(few, axis) > contrast
        steps = np.flatnonzero(np.diff(filled.astype(np.int8), prepend=0, append=0))
        lengths = steps[1::2] - steps[::2]
        count *= max(1, int(np.count_nonzero(LEAST_PANEL * lengths >= lengths.max(initial=1))))
    return count
