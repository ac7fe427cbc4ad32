"""Adding somebody's own model: looked into, wrapped, checked, executed in the real Triton, and only then written."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from model_export.export_errors import CheckError
from model_export.own import one_execution, own_folder, trial, wrapping
from model_export.own.given_graph import GivenGraph, read_graph
from model_export.own.own_errors import OwnModelError
from model_export.own.placement import Placement, place
from model_export.own.wanted import Wanted
from model_export.verify import Check, require
from oncoserve.errors import PlatformError
from oncoserve.pictures.decode import decode
from oncoserve.tasks.card import Preprocessing
from oncoserve.tasks.fit import Fit

LIMIT: Final = 1e-5
"""Largest difference of a probability: float32 sums in another order stay two powers of ten below."""
SUM_LIMIT: Final = 1e-3
"""How far from 1 the sum of probabilities may be; what is farther are logits."""
MOST_PICTURES: Final = 16
RANDOM_PICTURES: Final = 4
MOST_PIXELS: Final = 100_000_000
Report = Callable[[str], None]
Images = NDArray[np.uint8]
Floats = NDArray[np.float32]


def add(path: Path, wanted: Wanted, repository: Path, samples: Iterable[Path], report: Report) -> Path:
    """Make the model's folder.

    Args:
        path: The ONNX file.
        wanted: What was said of it.
        repository: Gets the folder.
        samples: Pictures that the checks are made on; with none, random ones.
        report: Is told each step.

    Returns:
        The model's folder.

    Raises:
        OwnModelError: It cannot be served; nothing was written.
        CheckError: The serving graph does not do what the given one does; nothing was written.
    """
    target = repository / wanted.name
    if target.exists():
        raise OwnModelError(f"{target} is there already: choose another --name, or `oncoserve models remove` it first")
    given = read_graph(path)
    placed = place(given, wanted)
    images = _images(samples, wanted, placed, report)
    repository.mkdir(parents=True, exist_ok=True)
    # On the same disk as the repository, so that the whole folder gets its name at once.
    with tempfile.TemporaryDirectory(prefix=".adding-", dir=repository.parent) as folder:
        work = Path(folder)
        report(f"{wanted.name}: computing the given graph on {len(images)} pictures")
        expected, placed = _expected(given, wanted, placed, images, work)
        graph, singles, checks, batched = _serving_graph(given, wanted, placed, (images, expected), work, report)
        about = {"file": path.name, "bytes": path.stat().st_size, "sha256": _sha256(path)}
        record = {each.name: {"value": each.value, "limit": each.limit} for each in checks}
        new = work / "repository" / wanted.name
        for name, content in own_folder.files(wanted, placed, graph, about, record, batched=batched).items():
            file = new / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        report(f"{wanted.name}: executing it in Triton")
        answer = one_execution.execute(new.parent, wanted.name, images[:1], work)
        require("in_triton", answer[wrapping.PROBABILITIES], singles[:1], LIMIT)
        try:
            os.rename(new, target)  # noqa: PTH104 - fails where somebody else was first; Path.rename says the same
        except OSError as error:
            raise OwnModelError(f"{target} cannot be written: {error.strerror}") from error
    return target


def _images(samples: Iterable[Path], wanted: Wanted, placed: Placement, report: Report) -> Images:
    """Pictures as the model gets them, (N, H, W, 3) uint8 RGB."""
    found = sorted(samples)[:MOST_PICTURES]
    if not found:
        report(f"{wanted.name}: no --samples; checking on {RANDOM_PICTURES} pictures of noise")
        size = (RANDOM_PICTURES, placed.height, placed.width, 3)
        noise: Images = np.random.default_rng(0).integers(0, 256, size).astype(np.uint8)
        return noise
    try:
        pictures = [decode(path.read_bytes(), MOST_PIXELS, "#000000").image() for path in found]
    except (PlatformError, OSError) as error:
        raise OwnModelError(f"A sample picture cannot be read: {error}") from error
    how = Preprocessing(**wanted.model_dump(include={"resize_filter", "fit", "crop_share"}), background="#000000")
    tensor = placed.width, placed.height
    return np.stack([Fit.of(how, each.size, tensor).lay(each, how) for each in pictures])


def prepared(images: Images, wanted: Wanted, placed: Placement, dtype: np.dtype[Any]) -> NDArray[Any]:
    """What the given graph wants, made of pictures by numpy: another way than the serving graph's.

    Args:
        images: (N, H, W, 3) uint8 RGB.
        wanted: How they are scaled.
        placed: Where the channels go.
        dtype: Of the result.
    """
    turned = images[..., ::-1] if wanted.colours == "BGR" else images
    scaled = (turned.astype(np.float64) * wanted.scale - np.array(wanted.mean)) / np.array(wanted.std)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2) if placed.layout == "NCHW" else scaled).astype(dtype)


def _expected(
    given: GivenGraph, wanted: Wanted, placed: Placement, images: Images, work: Path
) -> tuple[Floats, Placement]:
    """The probabilities of the given graph, and whether its output is that already."""
    file = work / "given.onnx"
    onnx.save(given.model, file)
    inputs = prepared(images, wanted, placed, given.input.dtype)
    answers = trial.compute(file, inputs, placed.output, one_by_one=True)
    shape = (len(images), len(wanted.classes))
    if answers.shape != shape:
        raise OwnModelError(
            f"{placed.output} gives {list(answers.shape)} for {shape[0]} pictures of {shape[1]} classes"
        )
    if not np.isfinite(answers).all():
        raise OwnModelError(f"{placed.output} gives numbers that are not finite: are --scale, --mean and --std right?")
    wrong = _not_probabilities(answers, wanted)
    activated = not wrong if placed.activated is None else placed.activated
    if activated and wrong:
        raise OwnModelError(f"{placed.output} gives {wrong}: say --answers logits, if that is what they are")
    if not activated:
        answers = _sigmoid(answers) if wanted.labels == "many" else _softmax(answers)
    return answers, replace(placed, activated=activated)


def _not_probabilities(answers: Floats, wanted: Wanted) -> str:
    """Why an output is none; empty if it is."""
    low, high = float(answers.min()), float(answers.max())
    if wanted.labels == "many":
        return "" if low >= 0 and high <= 1 else f"values from {low:.3g} to {high:.3g}, which are no probabilities"
    sums = answers.sum(axis=1)
    if low >= 0 and np.abs(sums - 1).max() <= SUM_LIMIT:
        return ""
    return f"sums from {sums.min():.3g} to {sums.max():.3g} for a picture, which are no probabilities of one class"


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    shares: Floats = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _sigmoid(logits: Floats) -> Floats:
    shares: Floats = (1 / (1 + np.exp(-logits.astype(np.float64)))).astype(np.float32)
    return shares


def _serving_graph(
    given: GivenGraph,
    wanted: Wanted,
    placed: Placement,
    evidence: tuple[Images, Floats],
    work: Path,
    report: Report,
) -> tuple[bytes, Floats, list[Check], bool]:
    """The serving graph, what it gives, what was compared, and whether it computes several pictures at once."""
    images, expected = evidence
    file = work / "served.onnx"

    def write(*, batched: bool) -> tuple[bytes, Floats, Check]:
        model = wrapping.wrap(given, wanted, placed, batched=batched)
        graph: bytes = model.SerializeToString(deterministic=True)
        file.write_bytes(graph)
        singles = trial.compute(file, images, wrapping.PROBABILITIES, one_by_one=True)
        return graph, singles, require("as_given", singles, expected, LIMIT)

    try:
        graph, singles, as_given = write(batched=True)
        together = trial.compute(file, images, wrapping.PROBABILITIES, one_by_one=False)
        return graph, singles, [as_given, require("in_a_batch", together, singles, LIMIT)], True
    except (OwnModelError, CheckError, ValueError) as error:
        report(f"{wanted.name}: it takes one picture at a time: max_batch_size is 0 ({error})")
    graph, singles, as_given = write(batched=False)
    return graph, singles, [as_given], False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
