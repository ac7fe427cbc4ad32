"""Who trains, who validates and who tests: by patient and by cluster, seeded, written to a file.

Each class is shuffled by itself and dealt into ten parts; so are the clusters of slices without a tumour. In fold k
two parts test, one validates and seven train. Each patient tests in exactly one fold.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from training.data import Slices
from training.run_settings import CLASSES, FOLDS, NONE

PARTS: Final = 2 * FOLDS
TRAIN: Final = "train"
VALIDATION: Final = "validation"
TEST: Final = "test"


@dataclass(frozen=True)
class Member:
    """A patient or a cluster.

    Attributes:
        group: its name.
        kind: its class, or "notumor".
        slices: how many it has.
        part: 0 to 9.
    """

    group: str
    kind: str
    slices: int
    part: int

    def role(self, fold: int) -> str:
        """What it does in a fold: TRAIN, VALIDATION or TEST."""
        if self.part // 2 == fold:
            return TEST
        # The first part of the next fold's test: so the validation patients of five folds are all different.
        return VALIDATION if self.part == (2 * fold + 2) % PARTS else TRAIN


def draw(slices: Slices, seed: int) -> list[Member]:
    """Deal patients and clusters.

    Raises:
        ValueError: a patient has slices of two classes.
    """
    chance = np.random.default_rng(seed)
    members = []
    seen: set[str] = set()
    for index, kind in [*enumerate(CLASSES), (NONE, "notumor")]:
        groups, counts = np.unique(slices.groups[slices.classes == index], return_counts=True)
        if twice := seen & set(groups.tolist()):
            raise ValueError(f"slices of two classes have one patient: {', '.join(sorted(twice))}")
        seen |= set(groups.tolist())
        order = chance.permutation(len(groups))
        # The dealing starts anywhere, so that the first parts are not the larger ones for every class.
        first = int(chance.integers(PARTS))
        members += [
            Member(str(groups[own]), kind, int(counts[own]), (first + place) % PARTS)
            for place, own in enumerate(order.tolist())
        ]
    return sorted(members, key=lambda member: member.group)


def groups(members: list[Member], fold: int, role: str) -> list[str]:
    """Who has this role in this fold."""
    return [member.group for member in members if member.role(fold) == role]


def text(members: list[Member]) -> str:
    """A table with a column of roles for each fold."""
    written = io.StringIO()
    table = csv.writer(written, delimiter="\t", lineterminator="\n")
    table.writerow(["group", "class", "slices", "part", *(f"fold_{fold}" for fold in range(FOLDS))])
    for member in members:
        roles = [member.role(fold) for fold in range(FOLDS)]
        table.writerow([member.group, member.kind, member.slices, member.part, *roles])
    return written.getvalue()


def read(path: Path) -> list[Member]:
    """The members of a file that `text` wrote."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [Member(row["group"], row["class"], int(row["slices"]), int(row["part"])) for row in rows]
