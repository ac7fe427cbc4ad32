"""`python -m loadtest.delineation PATH`: how well brain_tumour names and outlines, over HTTP, by patient.

PATH holds the pictures and slices.tsv: file, class, patient, outline as "x,y x,y ..." in fractions of the picture,
empty where there is no tumour. Starts the service, asks about every picture (or every Nth), prints the figures as a
table with intervals over patients and ends; exits 1 if one misses its limit. What `python -m training.evaluate`
measures of the graph alone, this measures of what a caller gets: with the upload, the checks of the picture, the
resizing and the mask in pixels in between. --strangers names folders of pictures that are no brain slice.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from loadtest.delineation.outlining import NO_TUMOUR, ask, calibration, named, per_slice, read_slices
from testbed.servers import PROJECT, WholeService
from training.figures import scores
from training.figures.strangers import folder_of_pictures, picture_files

LEAST: Final = MappingProxyType(
    {
        scores.ACCURACY: 0.90,
        scores.ANSWERED: 0.85,
        scores.PEAK: 0.88,
        scores.DICE: 0.70,
    }
)
CALIBRATION: Final = "expected calibration error where it gives probabilities"
STRANGERS: Final = "pictures that are no brain slice and get a class"
MOST: Final = MappingProxyType({scores.FALSE_ALARMS: 0.30, CALIBRATION: 0.05, STRANGERS: 0.02})
NOTHING_TO_MEASURE: Final = 2
SEED: Final = 1


def main() -> int:
    """Return the exit code: 1 where a limit is missed, 2 without a tumour among the slices."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.delineation", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="PATH", help="folder with slices.tsv and the pictures")
    parser.add_argument("--url", help="ask a service that runs already, such as http://localhost:5000")
    kind, meant = folder_of_pictures, "folder of what is no brain"
    parser.add_argument("--strangers", type=kind, action="append", default=[], help=meant)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth picture only")
    given = parser.parse_args()
    slices = read_slices(given.folder)[:: given.every]
    tumours = sum(each.label != NO_TUMOUR for each in slices)
    if not tumours:
        print(f"Nothing to measure: none of {len(slices)} slices has an outline in slices.tsv.", file=sys.stderr)
        return NOTHING_TO_MEASURE
    strangers = sorted(path for folder in given.strangers for path in picture_files(folder))
    with own_service() if given.url is None else contextlib.nullcontext(given.url) as url:
        answers = asyncio.run(ask(url, slices))
        strange = asyncio.run(named(url, strangers))
    found: dict[str, dict[str, float]] = scores.with_intervals(
        per_slice(slices, answers), np.array([each.group for each in slices]), SEED
    )
    if (error := calibration(slices, answers)) is not None:
        found[CALIBRATION] = {"value": error}
    if strange:
        found[STRANGERS] = {"value": float(np.mean(strange))}
    print(f"{len(slices)} slices, {tumours} with a tumour\n")
    print("| figure | value | 95 % over patients | limit |\n|---|---|---|---|")
    for name, each in found.items():
        limit = f"at least {LEAST[name]}" if name in LEAST else f"at most {MOST[name]}" if name in MOST else "-"
        interval = f"{each['low']:.3f} to {each['high']:.3f}" if "low" in each else "-"
        print(f"| {name} | {each['value']:.3f} | {interval} | {limit} |")
    if beyond := missed(found):
        print(f"Beyond its limit, or not measured: {', '.join(beyond)}", file=sys.stderr)
    return int(bool(beyond))


def missed(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The figures beyond their limits.

    One that has to be high is missed where it is not there: of slices with a tumour that get no answer, too.
    """
    low = [name for name, limit in LEAST.items() if name not in found or found[name]["value"] < limit]
    high = [name for name, limit in MOST.items() if name in found and found[name]["value"] > limit]
    return low + high


@contextlib.contextmanager
def own_service() -> Iterator[str]:
    """A service of this checkout for the length of the block; its address."""
    with (
        tempfile.TemporaryDirectory(prefix="oncoserve-delineation-") as folder,
        WholeService(PROJECT / "model_repository", Path(folder)) as service,
    ):
        yield service.url


if __name__ == "__main__":
    sys.exit(main())
