"""Fit what is typical of brain_mri's pictures, and measure: `python -m training.published --data PATH`.

Its own training pictures are not published, but two of its classes are slices of the set at PATH, and so are those
without a tumour. A part of the patients says what is typical, others set the scale, the rest say what the card's limit
is worth.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from model_export.brain_mri import MOST_STRANGENESS, TYPICAL
from model_export.sample_parts import volume
from model_export.strangeness.typical import Typical
from oncoserve.pictures.picture import Picture
from oncoserve.runtime.files import write_whole
from oncoserve.tasks.card import Pictures
from oncoserve.tasks.plausibility import doubts
from training.figures.scores import with_intervals
from training.figures.strangers import folder_of_pictures, halves, load_strangers, picture_files
from training.published.changes import CHANGES, another_hospital
from training.published.pooled_features import PooledFeatures
from training.published.slices import SPARE, Chosen, choose
from training.published.strange_pictures import in_an_oval, panels
from training.published.typical_fit import fit_typical, scaled_by

Bools = npt.NDArray[np.bool_]

SEED: Final = 1
COVERAGE: Final = 0.98
"""Share of the slices of the second part, every second one changed as well, whose strangeness is up to 1."""
ATLAS: Final = (40, 50, 60, 70, 80, 100, 110, 120, 130)
"""Axial slices of the atlas that say, too, what is typical; index 90 is the sample on the page."""
CHANGED_GROUPS: Final = 20
"""Patients and clusters of which one slice is changed in each way."""
FIGURES: Final = 30
"""Figures of several slices."""
ROOT: Final = Path(__file__).resolve().parents[2]
RULES: Final = Pictures(least_side_px=64, colour="grey", one_object_on_dark=True)


def main() -> None:
    """Writes the statistics, and says what they are worth."""
    parser = argparse.ArgumentParser(prog="python -m training.published", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with slices.tsv; training/README.md")
    graph = ROOT / "model_repository/brain_mri/1/model.cpu.onnx"
    parser.add_argument("--graph", type=Path, default=graph, help="whose convolutions are used; default: %(default)s")
    samples = str(ROOT / "build/samples/brain_mri")  # text, so that this one is looked into as well
    kind = folder_of_pictures
    parser.add_argument("--samples", type=kind, default=samples, help="with the atlas; default: %(default)s")
    parser.add_argument("--slices", type=kind, help="a folder of further slices, to measure on")
    parser.add_argument("--strangers", type=kind, action="append", default=[], help="pictures that are no brain")
    parser.add_argument("--keep", action="store_true", help="measure the statistics that are there")
    given = parser.parse_args()
    work = Work(given.graph, given.data, given.samples)
    if not given.keep:
        write_whole(TYPICAL, work.fit().content())
    for line in work.measure(Typical.read(TYPICAL), given.slices, given.strangers):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


class Work:
    """Fitting and measuring.

    Args:
        graph: an exported graph of brain_mri, in FP32 or INT8.
        data: the slices.
        samples: the folder with the model's samples and the atlas.
    """

    def __init__(self, graph: Path, data: Path, samples: Path) -> None:
        self._features, self._samples = PooledFeatures(graph), samples
        self._chosen = choose(data, SEED)

    def fit(self) -> Typical:
        """Plain slices, and every second one again as another hospital's."""
        chance = np.random.default_rng(SEED)
        own = self._of("fit")
        pictures, kinds = _with_changed([_grey(each.path) for each in own], [each.kind for each in own], chance)
        voxels = volume(self._samples / "atlas/mni152_t1.nii.gz")
        atlas = [Image.fromarray(np.ascontiguousarray(voxels[:, ::-1, index].T)) for index in ATLAS]
        pictures += [*atlas, *(another_hospital(each, chance) for each in atlas)]
        kinds += [SPARE] * (2 * len(atlas))
        typical = fit_typical(self._features.of(pictures), np.array(kinds))
        return scaled_by(typical, self._features.of(self._scaling(chance)[0]), COVERAGE)

    def measure(self, typical: Typical, slices: Path | None, strangers: Sequence[Path]) -> Iterator[str]:
        """Lines of a table: what, pictures, the share that no class is named of, its 95 % interval over patients."""
        pictures, owners = self._scaling(np.random.default_rng(SEED))
        yield _line("slices that set the scale, some changed", self._strange(typical, pictures), np.array(owners))
        test = self._of("test")
        pictures, groups = [_grey(each.path) for each in test], np.array([each.group for each in test])
        strange = self._strange(typical, pictures)
        yield _line("slices of patients not fitted on", strange, groups)
        for kind in sorted({each.kind for each in test}):
            own = np.array([each.kind == kind for each in test])
            yield _line(f"of them {kind}", strange[own], groups[own])
        for name, folder in (("samples", self._samples), ("further slices", slices)):
            if folder is not None:
                paths = picture_files(folder)
                shown = self._strange(typical, [_grey(path) for path in paths])
                yield _line(name, shown, np.arange(len(paths)))
        first = np.unique(groups, return_index=True)[1]
        changed = first[np.linspace(0, len(first) - 1, CHANGED_GROUPS).astype(int)].tolist()
        each_way = [self._strange(typical, [change(pictures[one]) for one in changed]) for change in CHANGES.values()]
        for name, shown in zip(CHANGES, each_way, strict=True):
            yield _line(name, shown, groups[changed])
        yield _line("with one change, all of these", np.concatenate(each_way), np.tile(groups[changed], len(CHANGES)))
        for name, found, origins in _strangers(strangers):
            yield _line(name, self._strange(typical, found), origins, _refused(found))
        figures = panels(pictures, FIGURES, np.random.default_rng(SEED))
        shown = self._strange(typical, figures)
        yield _line("figures of several slices", shown, np.arange(FIGURES), _refused(figures))

    def _of(self, role: str) -> list[Chosen]:
        return [each for each in self._chosen if each.role == role]

    def _scaling(self, chance: np.random.Generator) -> tuple[list[Image.Image], list[str]]:
        """The slices that set the scale, every second one changed as well, and whose they are."""
        own = self._of("scale")
        return _with_changed([_grey(each.path) for each in own], [each.group for each in own], chance)

    def _strange(self, typical: Typical, pictures: Sequence[Image.Image]) -> Bools:
        return typical.strangeness(self._features.of(pictures)) > MOST_STRANGENESS


def _strangers(folders: Sequence[Path]) -> Iterator[tuple[str, list[Image.Image], npt.NDArray[np.str_]]]:
    """What, pictures, and the name of the one that each is a view of."""
    views, names = load_strangers(folders)
    chosen = halves(names)
    ovals = np.stack([in_an_oval(view) for view in views])
    for name, shown in (("strangers", views), ("strangers in a dark surround", ovals)):
        for part, half in (("chosen on", chosen), ("not chosen on", ~chosen)):
            yield f"{name}, {part}", [Image.fromarray(view) for view in shown[half]], np.array(names)[half]


def _refused(pictures: Sequence[Image.Image]) -> Bools:
    """Whether the rules on the picture refuse it already."""
    return np.array([bool(doubts(Picture(each.convert("RGB"), "PNG"), RULES)) for each in pictures])


def _line(name: str, strange: Bools, groups: npt.NDArray[Any], refused: Bools | None = None) -> str:
    found = with_intervals({"strange": strange.astype(float)}, groups, SEED)["strange"]
    line = f"{name} | {len(strange)} | {found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"
    if refused is None:
        return line
    named = np.count_nonzero(~refused & ~strange)
    return f"{line} | {np.count_nonzero(refused)} refused by the rules, {named} named"


def _with_changed(
    pictures: list[Image.Image], names: list[str], chance: np.random.Generator
) -> tuple[list[Image.Image], list[str]]:
    """The pictures, and every second one again as another hospital's; of each its name."""
    return [*pictures, *(another_hospital(each, chance) for each in pictures[::2])], [*names, *names[::2]]


def _grey(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        return opened.convert("L")


if __name__ == "__main__":
    main()
