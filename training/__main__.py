"""Train, calibrate, measure, export and plot: `python -m training --data PATH --out DIR`.

Five folds by patient give the figures and the limits; a last run on all slices gives the weights that are served. A run
that is finished is kept: the same command goes on where it was stopped.
"""

import argparse
import json
import os
import sys
import time
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from training import data, split
from training.augmentation.chain import KINDS
from training.evaluate import table
from training.figures import plots, pooled, scores
from training.figures.strangers import folder_of_pictures, halves, load_strangers
from training.folds import Run, Workshop
from training.freed_memory import keep_freed_memory
from training.run_settings import FOLDS, NONE, SIDE, Phase, RunSettings
from training.serving import int8, record
from training.serving.export import export
from training.serving.resemblance import METHODS

FOREIGN: Final = "foreign"
"""Left out, no slice of the other source trains: what the filled slices alone teach is then seen on it."""


def main() -> None:
    """The whole run."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with slices.tsv; training/README.md")
    parser.add_argument("--out", type=Path, required=True, help="where graphs, figures and pictures go")
    parser.add_argument("--seed", type=int, default=RunSettings.seed)
    kind, strange = folder_of_pictures, "pictures that are no brain"
    parser.add_argument("--strangers", type=kind, action="append", default=[], help=strange)
    parser.add_argument("--epochs", type=int, nargs=2, metavar="N", help="at each of the two sizes; few for a trial")
    left = "augmentation held back, or the other source"
    parser.add_argument("--leave-out", action="append", default=[], choices=(*KINDS, FOREIGN), help=left)
    parser.add_argument("--only-fold", type=int, choices=range(FOLDS), help="train and measure one fold, and stop")
    parser.add_argument("--thin", type=int, default=1, help="only every so many slices; for a trial")
    given = parser.parse_args()
    kinds = tuple(name for name in given.leave_out if name != FOREIGN)
    settings = replace(RunSettings(), seed=given.seed, leave_out=kinds)
    if FOREIGN in given.leave_out:
        settings = replace(settings, foreign=0.0)
    settings = replace(settings, reference=settings.reference // given.thin)
    if given.epochs:
        phases = zip(settings.phases, given.epochs, strict=True)
        settings = replace(settings, phases=tuple(Phase(each.side, each.source_side, n) for each, n in phases if n))
    began = time.monotonic()
    course = Course(given.data, given.out, settings, given.strangers, given.thin)
    if given.only_fold is None:
        course.go()
    else:
        course.try_one(given.only_fold)
    sys.stdout.write(f"{time.monotonic() - began:.0f} s\n")


class Course:
    """One whole run.

    Args:
        folder: with slices.tsv.
        out: where to.
        settings: of each of its trainings.
        strangers: folders of pictures that are no brain.
        thin: of so many slices one is taken.
    """

    def __init__(self, folder: Path, out: Path, settings: RunSettings, strangers: list[Path], thin: int) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._out, self._settings = out, settings
        self._exact, self._source = data.load(folder, SIDE, thin), data.load(folder, thin=thin)
        self._members = split.draw(self._exact, settings.seed)
        (out / "split.tsv").write_text(split.text(self._members))
        self._strangers, names = load_strangers(strangers)
        self._choosing = halves(names)
        self._workshop = Workshop(out / "runs", settings, prepare())

    def go(self) -> None:
        """Folds, figures, the final weights, their graph and its INT8 variant."""
        runs, folds = zip(*(self._fold(number) for number in range(FOLDS)), strict=True)
        shares = pooled.let_through(folds, self._choosing)
        method = min(shares, key=lambda name: shares[name])
        unseen = pooled.by_network_unseen(folds, method, self._settings.seed)
        plots.draw([run.diary for run in runs], unseen.said, unseen.truth, self._out)
        fitted = pooled.fitted(folds, method)
        document: dict[str, Any] = {
            "settings": asdict(self._settings),
            "slices": {"with a tumour": int((self._exact.classes != NONE).sum()), "all": len(self._exact)},
            "took": {
                "seconds of each fold": [round(run.diary[-1]["seconds"]) for run in runs],
                "on": f"{self._workshop.device.type}, {torch.get_num_threads()} threads",
            },
            "temperature": fitted.temperature,
            "limits": fitted.limits.document(),
            "resemblance": {
                "method": method,
                "strangers let through, those that chose": shares,
                "strangers let through, the others": pooled.let_through(folds, ~self._choosing),
                "strangers given a class, the others": pooled.strangers_named(folds, method, fitted, ~self._choosing),
            },
            "test": unseen.figures,
        }
        sys.stdout.write("\n".join(table(unseen.figures)) + "\n" + json.dumps(document["resemblance"], indent=2) + "\n")
        for number, (run, own) in enumerate(zip(runs, unseen.fitted, strict=True)):
            self._write_fold(number, run, own, method)
        self._serve(document, fitted.temperature, method)

    def try_one(self, number: int) -> None:
        """One fold with limits of its own validation patients: what a change of the settings is worth, in a sixth."""
        run, fold = self._fold(number)
        method = METHODS[0]
        own = pooled.fitted([fold], method)
        self._write_fold(number, run, own, method)
        said = fold.answers("test", own.temperature, method)
        values = scores.per_slice(said, fold.test, own.limits)
        sys.stdout.write("\n".join(table(scores.with_intervals(values, fold.test.groups, self._settings.seed))) + "\n")

    def _write_fold(self, number: int, run: Run, own: pooled.Fitted, method: str) -> None:
        graph = export(run.network, own.temperature, run.resemblance, method)
        stated = {"temperature": own.temperature, "limits": own.limits.document()}
        record.write(self._out / f"fold_{number}", graph, stated)

    def _fold(self, number: int) -> tuple[Run, pooled.Fold]:
        train, validation, test = (
            split.groups(self._members, number, role) for role in (split.TRAIN, split.VALIDATION, split.TEST)
        )
        held, tested = self._exact.of(validation), self._exact.of(test)
        run = self._workshop.run(f"fold_{number}", self._source.of(train), held)
        asked = {"validation": held.images, "test": tested.images, "strangers": self._strangers}
        said = {name: self._workshop.ask(run, images) for name, images in asked.items()}
        return run, pooled.Fold(run.resemblance, said, held, tested)

    def _serve(self, document: dict[str, Any], temperature: float, method: str) -> None:
        """Train on all slices, with what the folds fitted; then the INT8 variant, if it passes."""
        nothing = self._exact.take(np.array([], int))
        run = self._workshop.run("final", self._source, nothing)
        document["final"] = {"slices": len(self._source), "seconds": run.diary[-1]["seconds"]}
        record.write(self._out / "version", export(run.network, temperature, run.resemblance, method), document)
        test = self._exact.of(split.groups(self._members, 0, split.TEST))
        version, fold = self._out / "version", self._out / "fold_0"
        sys.stdout.write(int8.add(version, self._exact, fold, test, self._strangers) + "\n")


def prepare() -> torch.device:
    """The device; the same numbers on each run as far as it can."""
    keep_freed_memory()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.deterministic = True
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    # That also fills all fresh memory, which costs time and changes nothing here: all of it is written before use.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.set_flush_denormal(True)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    # Sampling and pooling have no deterministic kernel on some devices and say so each time.
    warnings.filterwarnings("ignore", message=".*deterministic.*")
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


if __name__ == "__main__":
    main()
