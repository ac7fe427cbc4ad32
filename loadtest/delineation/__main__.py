"""`python -m loadtest.delineation PATH`: how well brain_tumour names and outlines, over HTTP, by patient.

PATH holds the pictures and slices.tsv: file, class, patient, outline as "x,y x,y ..." in fractions of the picture,
empty where there is no tumour. Starts the service, asks about every picture (or every Nth), prints the figures as a
table with intervals over patients and ends; exits 1 if one misses its limit. What `python -m training.evaluate`
measures of the graph alone, this measures of what a caller gets: with the upload, the checks of the picture, the
resizing and the mask in pixels in between.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np

from loadtest.delineation.outlining import NO_TUMOUR, Slice, SliceAnswer, ask, per_slice, read_slices
from testbed.servers import PROJECT, WholeService
from training.figures.scores import with_intervals

LEAST: Final = MappingProxyType(
    {
        "class accuracy where it answers": 0.90,
        "answers, slices with a tumour": 0.85,
        "peak on the tumour where it answers": 0.88,
        "Dice of the outline where it answers": 0.70,
    }
)
MOST: Final = MappingProxyType({"slices without a tumour called one": 0.30})
NOTHING_TO_MEASURE: Final = 2
SEED: Final = 1


def main() -> int:
    """Return the exit code: 1 where a limit is missed, 2 without a tumour among the slices."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.delineation", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="PATH", help="folder with slices.tsv and the pictures")
    parser.add_argument("--url", help="ask a service that runs already, such as http://localhost:5000")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth picture only")
    given = parser.parse_args()
    slices = read_slices(given.folder)[:: given.every]
    tumours = sum(each.label != NO_TUMOUR for each in slices)
    if not tumours:
        print(f"Nothing to measure: none of {len(slices)} slices has an outline in slices.tsv.", file=sys.stderr)
        return NOTHING_TO_MEASURE
    answers = asyncio.run(ask(given.url, slices)) if given.url else ask_own_service(slices)
    found = with_intervals(per_slice(slices, answers), np.array([each.group for each in slices]), SEED)
    print(f"{len(slices)} slices, {tumours} with a tumour\n")
    print("| figure | value | 95 % over patients | limit |\n|---|---|---|---|")
    for name, each in found.items():
        limit = f"at least {LEAST[name]}" if name in LEAST else f"at most {MOST[name]}" if name in MOST else "-"
        print(f"| {name} | {each['value']:.3f} | {each['low']:.3f} to {each['high']:.3f} | {limit} |")
    low = [name for name, limit in LEAST.items() if name in found and found[name]["value"] < limit]
    high = [name for name, limit in MOST.items() if name in found and found[name]["value"] > limit]
    return int(bool(low or high))


def ask_own_service(slices: Sequence[Slice]) -> list[SliceAnswer]:
    """Start the service for as long as it is asked."""
    with (
        tempfile.TemporaryDirectory(prefix="oncoserve-delineation-") as folder,
        WholeService(PROJECT / "model_repository", Path(folder)) as service,
    ):
        return asyncio.run(ask(service.url, slices))


if __name__ == "__main__":
    sys.exit(main())
