"""`python -m loadtest.localisation PATH`: how well brain_tumour names and points, over HTTP, on slices with boxes.

PATH holds the pictures and boxes.tsv with a row for each: file, class, and the box's centre and size as fractions of
the picture, empty where there is no tumour. Starts the service, asks about every picture (or every Nth), prints the
figures as a table and ends; exits 1 if one is below its limit. What `python -m training.evaluate` measures of the graph
alone, this measures of what a caller gets: with the upload, the resizing and the box in pixels in between.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from loadtest.localisation.pointing import Slice, SliceAnswer, ask, figures, read_slices
from testbed.servers import PROJECT, WholeService

LIMITS: Final = MappingProxyType(
    {"class accuracy among tumours": 0.90, "peak inside the box": 0.85, "mean IoU of the box": 0.55}
)
NOTHING_TO_MEASURE: Final = 2


def main() -> int:
    """Return the exit code: 1 below a limit, 2 without a tumour among the slices."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.localisation", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="PATH", help="folder with boxes.tsv and the pictures")
    parser.add_argument("--url", help="ask a service that runs already, such as http://localhost:5000")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth picture only")
    given = parser.parse_args()
    slices = read_slices(given.folder)[:: given.every]
    if not any(each.box for each in slices):
        print(f"Nothing to measure: none of {len(slices)} slices has a box in boxes.tsv.", file=sys.stderr)
        return NOTHING_TO_MEASURE
    answers = asyncio.run(ask(given.url, slices)) if given.url else ask_own_service(slices)
    found = figures(slices, answers)
    print(f"{len(slices)} slices, {sum(each.box is not None for each in slices)} with a tumour\n")
    print("| figure | value | limit |\n|---|---|---|")
    for name, value in found.items():
        print(f"| {name} | {value:.3f} | {LIMITS.get(name, '-')} |")
    return int(any(found[name] < limit for name, limit in LIMITS.items()))


def ask_own_service(slices: Sequence[Slice]) -> list[SliceAnswer]:
    """Start the service for as long as it is asked."""
    with (
        tempfile.TemporaryDirectory(prefix="oncoserve-localisation-") as folder,
        WholeService(PROJECT / "model_repository", Path(folder)) as service,
    ):
        return asyncio.run(ask(service.url, slices))


if __name__ == "__main__":
    sys.exit(main())
