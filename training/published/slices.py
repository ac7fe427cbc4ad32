"""Which slices say what is typical, which set the scale, and which say what it is worth; nobody has two roles."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

ROLES: Final = ("fit", "fit", "scale", "test")
"""Patients are dealt in this order."""
MOST_SLICES: Final = 3
"""Of a patient, spread over all that there are; of a cluster of near-duplicates, one."""
SPARE: Final = "notumor"


@dataclass(frozen=True)
class Chosen:
    """A slice.

    Attributes:
        path: its file.
        kind: its class.
        group: the patient, or the cluster of near-duplicates.
        role: one of ROLES.
    """

    path: Path
    kind: str
    group: str
    role: str


def choose(folder: Path, seed: int) -> list[Chosen]:
    """Deal the patients of each class, and the clusters of slices without a tumour.

    Args:
        folder: with slices.tsv and no_tumour_clusters.tsv; training/README.md.
        seed: of the dealing.
    """
    files: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for kind, group, file in _rows(folder):
        files[kind][group].append(file)
    chance = np.random.default_rng(seed)
    found = []
    for kind, groups in sorted(files.items()):
        names = sorted(groups)
        for place, index in enumerate(chance.permutation(len(names)).tolist()):
            own, most = groups[names[index]], 1 if kind == SPARE else MOST_SLICES
            spread = np.unique(np.linspace(0, len(own) - 1, most).round().astype(int)).tolist()
            role = ROLES[place % len(ROLES)]
            found += [Chosen(folder / own[each], kind, names[index], role) for each in spread]
    return found


def _rows(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Class, patient or cluster, file."""
    with (folder / "slices.tsv").open(newline="") as file:
        yield from ((row["class"], row["patient"], row["file"]) for row in csv.DictReader(file, delimiter="\t"))
    with (folder / "no_tumour_clusters.tsv").open(newline="") as file:
        yield from ((SPARE, row["cluster"], row["file"]) for row in csv.DictReader(file, delimiter="\t"))
