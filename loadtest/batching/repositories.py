"""Model repositories of one model each, which differ in the graph's file, in batches and in instances."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np

from loadtest.compare import tiny_cnn
from loadtest.compare.photographs import BASE_PICTURES, SIDE, base_pictures, encode, photograph
from loadtest.compare.served import Served, one_at_a_time, without_file_name
from loadtest.shared.distinct_uploads import ellipse
from model_export.export_files import newest_version
from testbed.servers import PROJECT

MODELS: Final = ("brain_mri", "brain_tumour", "he_tissue", tiny_cnn.NAME)
FILES: Final = MappingProxyType({"fp32": "model.onnx", "fp16": "model.gpu.onnx"})
# How far a probability may be from that of the FP32 graph on a CPU: convolutions of a GPU round to 10 bits of mantissa,
# in FP32 (as TF32) and in FP16. Over HTTP the frontend resizes, which alone moves brain_mri's by up to 3e-4.
TOLERANCE: Final = 3e-2
# Models that are not for slices alone, and how many pictures they are sent; a tile has 0.8 MB.
_ANY_PICTURE: Final = MappingProxyType({tiny_cnn.NAME: 64, "he_tissue": 16})


@dataclass(frozen=True)
class Variant:
    """One way to serve a model.

    Attributes:
        model: Its name.
        precision: fp32 or fp16, which is a file; see `FILES`.
        batching: Whether Triton puts requests together.
        instances: Of the model, on the one GPU.
        max_batch: The largest batch; 0 leaves it as it is configured.
        parameters: Of the backend, over those that are configured: `prefer_nhwc+use_tf32=0`, where a name alone is 1.
    """

    model: str
    precision: str
    batching: bool = True
    instances: int = 1
    max_batch: int = 0
    parameters: str = ""


def write(variant: Variant, repository: Path, *, cpu: bool, source: Path = PROJECT / "model_repository") -> Served:
    """Make a repository with this one model.

    Args:
        variant: Which.
        repository: The folder, made here.
        cpu: With the configuration of a CPU, to try the benchmark without a GPU.
        source: The repository that the model is taken from.

    Raises:
        FileNotFoundError: No version of the model has files of that precision and of FP32.
    """
    folder = repository / variant.model
    if variant.model == tiny_cnn.NAME:
        tiny_cnn.write_repository(repository, kind="KIND_CPU" if cpu else "KIND_GPU")
        if variant.precision == "fp16":
            _halve(folder / "1")
    else:
        shutil.copytree(source / variant.model, folder, copy_function=_link)
    configurations = [folder / "config.pbtxt", folder / "configs/gpu.pbtxt"]
    chosen = configurations[0 if cpu or not configurations[1].exists() else 1]
    text = configured(chosen.read_text(), variant)
    configurations[1].parent.mkdir(exist_ok=True)
    for path in configurations:  # the launcher reads the second one, where it is told to serve on a GPU
        path.unlink(missing_ok=True)  # it may be a link to the source's
        path.write_text(text)
    return _served(variant, repository, folder)


def configured(configuration: str, variant: Variant) -> str:
    """A config.pbtxt that serves the variant."""
    text = without_file_name(configuration) + f'default_model_filename: "{FILES[variant.precision]}"\n'
    text = re.sub(r"\bcount: \d+", f"count: {variant.instances}", text)
    for parameter in filter(None, variant.parameters.split("+")):
        name, _, value = parameter.partition("=")
        text += f'parameters {{ key: "{name}" value {{ string_value: "{value or 1}" }} }}\n'
    if variant.max_batch:
        text = re.sub(r"^model_warmup \[.*?^\]$", "", text, flags=re.MULTILINE | re.DOTALL)
        text = re.sub(r"^max_batch_size: \d+", f"max_batch_size: {variant.max_batch}", text, flags=re.MULTILINE)
    return text if variant.batching else one_at_a_time(text)


def _served(variant: Variant, repository: Path, folder: Path) -> Served:
    newest = newest_version(folder, FILES["fp32"], FILES[variant.precision])
    pictures = _slices() if variant.model not in _ANY_PICTURE else base_pictures(_ANY_PICTURE[variant.model])
    return Served(repository, variant.model, {"": pictures}, TOLERANCE, reference=newest / FILES["fp32"])


def _slices() -> list[bytes]:
    """Photographs in grey, in an ellipse on black: the models for slices answer about no other picture."""
    shown = ellipse(SIDE, SIDE)
    greys = ((photograph(seed).mean(axis=2) * shown).astype(np.uint8) for seed in range(BASE_PICTURES))
    return [encode(np.repeat(grey[..., np.newaxis], 3, axis=2)) for grey in greys]


def _halve(folder: Path) -> None:
    """Write the FP16 graph beside the FP32 one, as the exporter does for the shipped models."""
    import onnx  # noqa: PLC0415 - with the next one, which takes a second to import
    from onnxruntime.transformers.float16 import convert_float_to_float16  # noqa: PLC0415

    onnx.save(convert_float_to_float16(onnx.load(folder / FILES["fp32"]), keep_io_types=True), folder / FILES["fp16"])


def _link(source: str, target: str) -> None:
    """Another name for the same file, and a copy where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
