"""`python -m loadtest.turning`: how many of he_tissue's labels change when a picture is turned, mirrored or cut.

Each picture is asked about in its eight directions and with a strip cut off, with one, four and eight answers to a
tile; each answer is laid over that to the picture as it is: the share of the labels of tissue that differ. Four answers
are the quarters of a turn, eight their mirror images, too. What is averaged over cannot change much by construction, so
whether averaging makes labels steadier is seen in the cut, and for four answers in the mirror images.

There is no ground truth for these pictures: what is measured is whether the model agrees with itself, not whether it is
right. Runs the task's own code on ONNX Runtime, without a server; writes docs/he_tissue/turning.csv.
"""

import argparse
import csv
import hashlib
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from loadtest.shared.slide_pictures import UM_PER_PX, slide_pixels
from oncoserve.tasks.maps.resolution import tagged_um_per_px
from oncoserve.tasks.maps.tiles import DIRECTIONS, turned, turned_back
from testbed.models.tissue_maps import (
    ASSUMED_UM_PER_PX,
    BACKGROUND,
    EPITHELIUM,
    MODEL_UM_PER_PX,
    RULE,
    blender_of,
    prepare_tissue,
)
from testbed.servers import PROJECT

ANSWERS: Final = (1, 4, 8)
SIDE: Final = 768
"""Of the windows cut out of the slide, pixels."""
CUT_MODEL_PX: Final = 24
"""Width of the strip that is cut off above and to the left, pixels of the model grid."""
_STEP: Final = (733, 726)
_THRESHOLD: Final = 0.5
_SAMPLES: Final = PROJECT / "build/samples/he_tissue/he"
_OUT: Final = PROJECT / "docs/he_tissue/turning.csv"

Picture = tuple[str, NDArray[np.uint8], float]
Model = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


@dataclass(frozen=True)
class Changes:
    """What became of one picture's labels; a row of turning.csv.

    Attributes:
        picture: Its name.
        answers: To each tile.
        turned: Share of its tissue labels that change, the median of the three turns.
        turned_most: The largest of the three.
        mirrored: The median of the four mirror images.
        mirrored_most: The largest of the four.
        cut: When a strip is cut off.
        epithelium_least: Share of the tissue that is epithelium, the least of the eight directions.
        epithelium_most: The most.
    """

    picture: str
    answers: int
    turned: float
    turned_most: float
    mirrored: float
    mirrored_most: float
    cut: float
    epithelium_least: float
    epithelium_most: float


def pictures() -> Iterator[Picture]:
    """Name, pixels and micrometres per pixel: the H&E samples, the slide, and the windows of it that hold tissue."""
    for path in sorted(_SAMPLES.iterdir()):
        with Image.open(path) as sample:
            um_per_px = tagged_um_per_px({"dpi": sample.info.get("dpi")}) or ASSUMED_UM_PER_PX
            yield path.name, np.asarray(sample.convert("RGB")), um_per_px
    slide = slide_pixels()
    yield "slide", slide, UM_PER_PX
    for top in range(0, slide.shape[0] - SIDE + 1, _STEP[0]):
        for left in range(0, slide.shape[1] - SIDE + 1, _STEP[1]):
            window = slide[top : top + SIDE, left : left + SIDE]
            if not prepare_tissue(window, UM_PER_PX).warnings:
                yield f"slide at {left} {top}", window, UM_PER_PX


def remembering(session: onnxruntime.InferenceSession) -> Model:
    """Tile to probabilities; remembers its answers, since most tiles of a turned picture are tiles turned."""
    known: dict[bytes, NDArray[np.uint8]] = {}

    def ask(stains: NDArray[np.uint8]) -> NDArray[np.uint8]:
        key = hashlib.sha256(stains.tobytes()).digest()
        if key not in known:
            (answer,) = session.run(None, {"stains": stains[np.newaxis]})
            known[key] = answer[0].transpose(1, 2, 0)
        return known[key]

    return ask


def labels_of(pixels: NDArray[np.uint8], um_per_px: float, ask: Model, answers: int) -> NDArray[np.uint8]:
    """(h, w) uint8 on the model grid, as the service labels with so many answers to a tile."""
    prepared = prepare_tissue(pixels, um_per_px)
    blender = blender_of(prepared.grid, answers)
    for tile in prepared.tiles():
        for direction in range(answers):
            probabilities = turned_back(ask(turned(tile.pixels, direction)), direction)
            blender.add(tile.top, tile.left, probabilities.transpose(2, 0, 1))
    return prepared.maps(blender).labels(RULE, _THRESHOLD).painted()


def changes_of(picture: Picture, ask: Model, answers: int) -> Changes:
    """Ask about one picture in its eight directions, and cut."""
    name, pixels, um_per_px = picture
    directions = [
        turned_back(labels_of(turned(pixels, direction), um_per_px, ask, answers), direction)
        for direction in range(DIRECTIONS)
    ]
    upright = directions[0]
    shares = [_share(upright, each) for each in directions]
    strip = round(CUT_MODEL_PX * MODEL_UM_PER_PX / um_per_px)
    rest = labels_of(pixels[strip:, strip:], um_per_px, ask, answers)
    common = upright[-rest.shape[0] :, -rest.shape[1] :]
    epithelium = [float(np.mean(each[each != BACKGROUND] == EPITHELIUM)) for each in directions]
    return Changes(
        picture=name,
        answers=answers,
        turned=statistics.median(shares[1:4]),
        turned_most=max(shares[1:4]),
        mirrored=statistics.median(shares[4:]),
        mirrored_most=max(shares[4:]),
        cut=_share(common, rest),
        epithelium_least=min(epithelium),
        epithelium_most=max(epithelium),
    )


def _share(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Of the pixels that are tissue in either, the share that have another label."""
    tissue = (one != BACKGROUND) | (other != BACKGROUND)
    return float(np.mean(one[tissue] != other[tissue]))


def summary(rows: list[Changes]) -> str:
    """The medians over the pictures, and the least and the most."""
    lines = []
    for answers in ANSWERS:
        mine = [row for row in rows if row.answers == answers]
        parts = []
        for kind in ("turned", "mirrored", "cut"):
            values = [getattr(row, kind) for row in mine]
            parts.append(f"{kind} {statistics.median(values):.1%} ({min(values):.1%} to {max(values):.1%})")
        lines.append(f"{answers} answer(s) to a tile, median of {len(mine)} pictures: {', '.join(parts)}")
    return "\n".join(lines)


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.turning", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=_OUT, help="the CSV to write")
    given = parser.parse_args()
    session = onnxruntime.InferenceSession(PROJECT / "model_repository/he_tissue/1/model.onnx")
    rows = []
    for picture in pictures():
        ask = remembering(session)
        for answers in ANSWERS:
            rows.append(changes_of(picture, ask, answers))
            print(
                " ".join(
                    f"{value:.3f}" if isinstance(value, float) else str(value) for value in asdict(rows[-1]).values()
                ),
                flush=True,
            )
    print(summary(rows))
    with given.out.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(asdict(rows[0])))
        table.writeheader()
        table.writerows({k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(row).items()} for row in rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
