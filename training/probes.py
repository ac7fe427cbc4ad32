"""What an answer depends on: `python -m training.probes --model FOLDER --data PATH`.

Each probe changes slices and asks again: the tumour painted away, the margins removed, the frame cropped, the slice
darkened or turned. With --other, pictures of other sources in folders of their class; with --strangers, pictures that
are no brain. What one kind of augmentation bought is the difference between two runs, the second trained with
`--leave-out KIND`, both asked here.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from training.data import Bytes, Slices, load
from training.evaluate import answers, chosen, limits, newest, parser
from training.figures.calibrate import Limits
from training.figures.graph_answers import HALF, Answers, Array, dice, on_tumour
from training.figures.strangers import folder_of_pictures, load_strangers, picture_files
from training.run_settings import CLASSES, NONE, SIDE

CUT: Final = 0.12
"""Share of the side that a cropped frame loses at each edge."""
RING: Final = 6
"""Pixels around a tumour whose grey values replace it."""
PASSES: Final = 60

Change = Callable[[Bytes, Bytes], tuple[Bytes, Bytes]]
"""Of one slice and its mask, both (S, S) uint8."""


def painted_away(image: Bytes, mask: Bytes) -> tuple[Bytes, Bytes]:
    """The tumour filled smoothly from the greys around it (harmonic inpainting)."""
    hole = _grown(mask >= HALF, 3)
    filled = image.astype(float)
    ring = _grown(hole, RING) & ~hole
    filled[hole] = filled[ring].mean() if ring.any() else filled.mean()
    for _ in range(PASSES):
        around = np.mean([np.roll(filled, step, axis) for axis in (0, 1) for step in (-1, 1)], axis=0)
        filled[hole] = around[hole]
    return filled.round().astype(np.uint8), np.zeros_like(mask)


def without_margins(image: Bytes, mask: Bytes) -> tuple[Bytes, Bytes]:
    """The head alone fills the picture."""
    lit = image > 0.25 * image.mean() + 8
    rows, columns = (np.flatnonzero(lit.mean(axis) > 0.03) for axis in (1, 0))  # noqa: PLR2004 - noise is no head
    if not len(rows) or not len(columns):
        return image, mask
    return _framed(image, mask, (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))


def cropped(image: Bytes, mask: Bytes) -> tuple[Bytes, Bytes]:
    """The frame cuts into the head at every edge."""
    edge = round(CUT * image.shape[0])
    return _framed(image, mask, (edge, edge, image.shape[1] - edge, image.shape[0] - edge))


def darkened(image: Bytes, mask: Bytes) -> tuple[Bytes, Bytes]:
    """As a wide window shows it: a sixth of the brightness, and of the levels."""
    return (image // 6).astype(np.uint8), mask


def turned(image: Bytes, mask: Bytes) -> tuple[Bytes, Bytes]:
    """By a quarter."""
    return np.rot90(image).copy(), np.rot90(mask).copy()


CHANGES: Final[dict[str, Change]] = {
    "as it is": lambda image, mask: (image, mask),
    "tumour painted away": painted_away,
    "margins removed": without_margins,
    "frame cropped": cropped,
    "darkened": darkened,
    "turned by a quarter": turned,
}


def probed(graph: Path, slices: Slices) -> Iterator[str]:
    """A line for each change: how often it answers, names rightly, points rightly, and how it outlines."""
    tumours, own = slices.take(slices.classes != NONE), limits(graph)
    for name, change in CHANGES.items():
        pairs = [change(*pair) for pair in zip(tumours.images, tumours.masks, strict=True)]
        masks = np.stack([mask for _, mask in pairs])
        said = answers(graph, np.stack([image for image, _ in pairs]))
        line = f"{name:24} answers {own.answered(said).mean():.3f}, class {_right(said, tumours.classes):.3f}"
        if masks.any():
            line += (
                f", peak {on_tumour(said.masks, masks).mean():.3f}, Dice {dice(said.masks, masks, own.mask).mean():.3f}"
            )
        yield line


def other_sources(graph: Path, folder: Path) -> Iterator[str]:
    """A line for each folder of pictures: how many get an answer, and which."""
    for place, files in folders_of_pictures(folder).items():
        pictures = np.stack([_read(path) for path in files])
        yield f"{place.name:24} {_named(answers(graph, pictures), limits(graph))}"


def folders_of_pictures(folder: Path) -> dict[Path, list[Path]]:
    """The folders in this one that hold pictures, with those."""
    found = {place: picture_files(place) for place in sorted(folder.glob("*/"))}
    return {place: files for place, files in found.items() if files}


def _named(said: Answers, own: Limits) -> str:
    answered = own.answered(said)
    names = said.probabilities.argmax(1)[answered]
    shares = ", ".join(f"{name} {(names == index).sum()}" for index, name in enumerate(CLASSES))
    return f"{len(answered)} pictures, answered {answered.mean():.3f}: {shares}"


def _right(said: Answers, classes: Array) -> float:
    return float((said.probabilities.argmax(1) == classes).mean())


def _framed(image: Bytes, mask: Bytes, box: tuple[int, int, int, int]) -> tuple[Bytes, Bytes]:
    both = (Image.fromarray(each).crop(box).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for each in (image, mask))
    one, other = (np.asarray(each) for each in both)
    return one, other


def _grown(mask: Array, by: int) -> Array:
    grown = mask.copy()
    for _ in range(by):
        grown = grown | np.roll(grown, 1, 0) | np.roll(grown, -1, 0) | np.roll(grown, 1, 1) | np.roll(grown, -1, 1)
    return grown


def _read(path: Path) -> Bytes:
    with Image.open(path) as image:
        return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each probe."""
    asked = parser(__doc__)
    asked.add_argument("--other", type=Path, help="a folder of folders of brain slices")
    own = "a folder of other pictures"
    asked.add_argument("--strangers", type=folder_of_pictures, action="append", default=[], help=own)
    given = asked.parse_args(arguments)
    if given.other and not folders_of_pictures(given.other):
        asked.error(f"--other: {given.other} is no folder of folders with pictures in them")
    graph = newest(given.model, given.file)
    lines = list(probed(graph, chosen(load(given.data, SIDE), given)))
    if given.other:
        lines += other_sources(graph, given.other)
    views, names = load_strangers(given.strangers)
    lines.append(f"{f'{len(set(names))} other pictures':24} {_named(answers(graph, views), limits(graph))}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
