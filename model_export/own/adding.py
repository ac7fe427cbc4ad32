"""Adding somebody's own model: looked into, wrapped, checked, executed in the real Triton, and only then written."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from model_export.export_errors import CheckError
from model_export.own import one_execution, own_folder, own_versions, trial, wrapping
from model_export.own.bounded.work_folder import work_folder
from model_export.own.given_graph import GivenGraph, read_graph
from model_export.own.heads.box_head import BoxHead
from model_export.own.heads.class_head import ClassHead
from model_export.own.heads.head import Array, Head
from model_export.own.heads.map_head import MapHead
from model_export.own.heads.outline_head import OutlineHead
from model_export.own.own_errors import OwnModelError
from model_export.own.own_folder import Served
from model_export.own.placement import Placement, place
from model_export.own.wanted import Wanted
from model_export.verify import Check, require
from oncoserve.errors import PlatformError
from oncoserve.pictures.decode import decode
from oncoserve.tasks.card import Preprocessing
from oncoserve.tasks.picture_fit import Fit

MOST_PICTURES: Final = 16
RANDOM_PICTURES: Final = 4
MOST_PIXELS: Final = 100_000_000
CHECKED_PIXELS: Final = 2**25
"""Of all pictures together that a graph is checked on: each is held as float64 more than once."""
WHERE: Final = {
    "as_given": "wrapped, so that the graph takes pictures",
    "in_a_batch": "with several pictures at once",
    "in_triton": "in Triton",
}
"""By check, where answers are compared with those that the graph gave before."""
Report = Callable[[str], None]
Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Evidence:
    """Pictures, (N, H, W, 3) uint8 RGB, and by output what has to be served of each."""

    images: Images
    expected: list[dict[str, Array]]


def add(
    path: Path,
    wanted: Wanted,
    repository: Path,
    samples: Iterable[Path],
    report: Report,
    *,
    another_version: bool = False,
) -> Path:
    """Make the model's folder, or another version in it.

    Args:
        path: The ONNX file.
        wanted: What was said of it.
        repository: Gets the folder.
        samples: Pictures that the checks are made on; with none, random ones.
        report: Is told each step.
        another_version: Whether it is one of a model that was added before.

    Returns:
        The version's folder.

    Raises:
        OwnModelError: It cannot be served, or does not what the given one does; nothing was written.
    """
    target, version = _place_for(wanted.name, repository, another_version=another_version)
    given = read_graph(path).reading(wanted.outputs)
    placed = place(given, wanted)
    head = find_head(given, wanted, placed.size)
    images = _images(samples, wanted, placed, report)
    with work_folder(repository, "adding") as work:
        report(f"{wanted.name}: computing the given graph on {len(images)} pictures")
        head, expected = _expected(given, wanted, placed, head, images, work)
        served = _serving_graph(given, wanted, placed, head, Evidence(images, expected), work, report)
        about = {"file": path.name, "bytes": path.stat().st_size, "sha256": _sha256(path)}
        new = work / "repository" / wanted.name
        for name, content in own_folder.files(wanted, placed, head, served, about, version).items():
            file = new / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        report(f"{wanted.name}: executing it in Triton")
        answer = one_execution.execute(new.parent, wanted.name, images[:1], work)
        _compared("in_triton", head, [answer], served.singles[:1])
        _put(new, target, version, another_version=another_version)
    return target / version


def _place_for(name: str, repository: Path, *, another_version: bool) -> tuple[Path, str]:
    """The model's folder, and the number of the version that comes into it.

    Raises:
        OwnModelError: There is such a model where there should be none, or the other way round.
    """
    target = repository / name
    if repository.exists() and not repository.is_dir():
        raise OwnModelError(f"{repository} is no folder: name another one with --data")
    if another_version and not target.is_dir():
        raise OwnModelError(f"There is no {target} that this could be another version of")
    if another_version:
        return target, own_versions.next_version(target)
    if target.exists():
        raise OwnModelError(
            f"{target} is there already: choose another --name, say --version new, or `oncoserve models remove` it"
        )
    return target, "1"


def _put(new: Path, target: Path, version: str, *, another_version: bool) -> None:
    """Give the folder its name, all of it at once.

    Raises:
        OwnModelError: It cannot have it.
    """
    if another_version:
        own_versions.put_in(new, target, version)
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(new, target)  # noqa: PTH104 - fails where somebody else was first; Path.rename says the same
    except OSError as error:
        if target.exists():
            raise OwnModelError(f"{target} was made meanwhile by somebody else: choose another --name") from error
        raise OwnModelError(f"{target} cannot be written: {error.strerror}") from error


def find_head(given: GivenGraph, wanted: Wanted, size: tuple[int, int]) -> Head:
    """What becomes of the given graph's outputs.

    Raises:
        OwnModelError: It cannot be told.
    """
    if wanted.task == "segmentation":
        return MapHead.find(given, wanted, size)
    if wanted.task == "detection":
        return BoxHead.find(given, wanted, size)
    if wanted.task == "delineation":
        return OutlineHead.find(given, wanted)
    return ClassHead.find(given, wanted)


def _images(samples: Iterable[Path], wanted: Wanted, placed: Placement, report: Report) -> Images:
    """Pictures as the model gets them, (N, H, W, 3) uint8 RGB."""
    most = max(1, CHECKED_PIXELS // (placed.height * placed.width))
    found = sorted(samples)[: min(MOST_PICTURES, most)]
    if not found:
        count = min(RANDOM_PICTURES, most)
        report(f"{wanted.name}: no --samples; checking on {count} pictures of noise")
        return np.random.default_rng(0).integers(0, 256, (count, placed.height, placed.width, 3), np.uint8)
    how = Preprocessing(**wanted.model_dump(include={"resize_filter", "fit", "crop_share"}), background=wanted.padding)
    tensor, laid = (placed.width, placed.height), []
    for path in found:
        try:
            picture = decode(path.read_bytes(), MOST_PIXELS, wanted.padding).image()
        except (PlatformError, OSError) as error:
            raise OwnModelError(f"The sample picture {path} cannot be read: {error}") from error
        laid.append(Fit.of(how, picture.size, tensor).lay(picture, how))
    return np.stack(laid)


def prepared(images: Images, wanted: Wanted, placed: Placement, dtype: np.dtype[Any]) -> NDArray[Any]:
    """What the given graph wants, made of pictures by numpy: another way than the serving graph's.

    Args:
        images: (N, H, W, 3) uint8 RGB.
        wanted: How they are scaled.
        placed: Where the channels go.
        dtype: Of the result.
    """
    turned = images[..., ::-1] if wanted.colours == "BGR" else images
    if placed.channels == 1:
        turned = np.floor(images @ np.array(wrapping.GREY)[:, np.newaxis] + 0.5)
    scaled = (turned.astype(np.float64) * wanted.scale - np.array(wanted.mean)) / np.array(wanted.std)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2) if placed.layout == "NCHW" else scaled).astype(dtype)


def _expected(
    given: GivenGraph, wanted: Wanted, placed: Placement, head: Head, images: Images, work: Path
) -> tuple[Head, list[dict[str, Array]]]:
    """What has to be served of each picture, and the head with what only answers tell."""
    file = work / "given.onnx"
    onnx.save(given.model, file)
    inputs = prepared(images, wanted, placed, given.input.dtype)
    for name in head.reads:
        if (tensor := next(each for each in given.outputs if each.name == name)).dtype.kind not in "fiub":
            raise OwnModelError(f"The output {tensor} is not of numbers that can be served: export it as float32")
    answers = trial.compute(file, inputs, head.reads, one_by_one=True)
    for name in head.reads:
        if not all(np.isfinite(answer[name]).all() for answer in answers):
            raise OwnModelError(f"{name} gives numbers that are not finite: are --scale, --mean and --std right?")
    head = head.settled(answers)
    return head, [head.expected(answer) for answer in answers]


def _serving_graph(
    given: GivenGraph, wanted: Wanted, placed: Placement, head: Head, evidence: Evidence, work: Path, report: Report
) -> Served:
    """The serving graph, what it gives, and whether it computes several pictures at once."""
    file = work / "served.onnx"
    outputs = list(head.limits)

    def write(*, batched: bool) -> tuple[bytes, list[dict[str, Array]], list[Check]]:
        model = wrapping.wrap(given, wanted, placed, head, batched=batched)
        graph: bytes = model.SerializeToString(deterministic=True)
        file.write_bytes(graph)
        singles = trial.compute(file, evidence.images, outputs, one_by_one=True)
        return graph, singles, _compared("as_given", head, singles, evidence.expected)

    why = "its input has no batch"
    if placed.batched:
        try:
            graph, singles, checks = write(batched=True)
            images = evidence.images
            # As many as Triton will ask for at once, too: what that needs is bounded here, not there.
            many = np.resize(images, (max(len(images), own_folder.CPU_BATCH), *images.shape[1:]))
            (together,) = trial.compute(file, many, outputs, one_by_one=False)
            apart = [{name: rows[row : row + 1] for name, rows in together.items()} for row in range(len(singles))]
            checks += _compared("in_a_batch", head, apart, singles)
            return Served(graph, singles, checks, trial.declared(file, outputs), batched=True)
        except OwnModelError as error:
            why = str(error)
    served = Served(*write(batched=False), trial.declared(file, outputs), batched=False)
    report(f"{wanted.name}: it takes one picture at a time: max_batch_size is 0 ({why})")
    return served


def _compared(
    name: str, head: Head, got: Sequence[Mapping[str, Array]], expected: Sequence[Mapping[str, Array]]
) -> list[Check]:
    """The largest difference of each output over all pictures.

    Raises:
        OwnModelError: It is over its limit.
    """
    checks = []
    for output, limit in head.limits.items():
        try:
            each = [require(name, one[output], other[output], limit) for one, other in zip(got, expected, strict=True)]
        except CheckError as error:
            raise OwnModelError(
                f"check {name} failed: {WHERE[name]}, {output} differ by {error.value:.3g}, {limit:.3g} is let "
                "through: does the graph answer the same each time?"
            ) from error
        except ValueError as error:
            raise OwnModelError(f"check {name} failed: {WHERE[name]}, {output} have another shape ({error})") from error
        worst = max(each, key=lambda check: check.value)
        checks.append(worst if len(head.limits) == 1 else replace(worst, name=f"{name}_{output}"))
    return checks


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
