"""`python -m loadtest.pictures.answered FOLDER --model NAME`: which pictures the model's card lets it be asked about.

Reads each picture below the folder as the service does, and prints for each folder how many get no answer, and for
which reasons; asks no model.
"""

import argparse
import statistics
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Final

from oncoserve.errors import PlatformError
from oncoserve.pictures.decode import decode
from oncoserve.tasks.card import Card, Pictures
from oncoserve.tasks.plausibility import doubts
from testbed.servers import PROJECT

MAX_PIXELS: Final = 10**8


def main() -> None:
    """Print a line for each folder, then the median time of the check."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.pictures.answered", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="brain_mri", help="whose card says what its pictures look like")
    given = parser.parse_args()
    card = Card.model_validate_json((PROJECT / "model_repository" / given.model / "card.json").read_bytes())
    codes, times_ms = _look(given.folder, card.pictures)
    for folder, found in sorted(codes.items()):
        none = sum(bool(each) for each in found)
        reasons = Counter(code for each in found for code in each)
        words = ", ".join(f"{count} x {code}" for code, count in reasons.most_common())
        sys.stdout.write(f"{folder}: {len(found)} pictures, {none} without an answer{': ' if words else ''}{words}\n")
    if times_ms:
        sys.stdout.write(f"the check takes {statistics.median(times_ms):.2f} ms a picture (median)\n")


def _look(folder: Path, expected: Pictures) -> tuple[dict[str, list[tuple[str, ...]]], list[float]]:
    """By folder the codes of each picture, and milliseconds of each check."""
    codes: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    times_ms = []
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        try:
            picture = decode(path.read_bytes(), MAX_PIXELS, "#000000")
        except PlatformError:
            continue  # no picture, such as a list
        started = time.perf_counter()
        found = doubts(picture, expected)
        times_ms.append(1000 * (time.perf_counter() - started))
        codes[str(path.parent.relative_to(folder))].append(tuple(each.code for each in found))
    return codes, times_ms


if __name__ == "__main__":
    main()
