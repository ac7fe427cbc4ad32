"""The folder of somebody's own model in the model repository: configurations, card, labels and record."""

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from model_export.own.heads.head import Array, Head
from model_export.own.placement import Placement
from model_export.own.wanted import Wanted
from model_export.verify import Check
from oncoserve.tasks.card import Card

GRAPH: Final = "model.onnx"
LABELLED: Final = "probabilities"
TRITON_TYPES: Final = {np.dtype(np.float32): "TYPE_FP32", np.dtype(np.uint8): "TYPE_UINT8"}
CPU_BATCH, GPU_BATCH = 8, 32
NOT_MEASURED: Final = (
    "Nothing of this model was measured here: not its accuracy, not its calibration, not where it errs."
)
# Okabe and Ito's, told apart by people who see few colours; those that are left over begin again.
COLOURS: Final = ("#e69f00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")


@dataclass(frozen=True)
class Served:
    """The serving graph, and what was seen of it.

    Attributes:
        graph: The file.
        singles: By output, what it gave of each picture.
        checks: What was compared.
        shapes: By output, its shape with the batch; -1 is open.
        batched: Whether it computes several pictures at once.
    """

    graph: bytes
    singles: list[dict[str, Array]]
    checks: list[Check]
    shapes: Mapping[str, tuple[int, ...]]
    batched: bool


def files(
    wanted: Wanted, placed: Placement, head: Head, served: Served, given: Mapping[str, Any], version: str
) -> dict[str, bytes]:
    """What belongs into the model's folder, by path in it.

    Args:
        wanted: What was said of it.
        placed: Where pictures go in.
        head: What its outputs are.
        served: The graph.
        given: Of the given file: name, bytes, sha256.
        version: Its number.
    """
    checks = {each.name: {"value": each.value, "limit": each.limit} for each in served.checks}
    about = {
        "sha256": hashlib.sha256(served.graph).hexdigest(),
        "bytes": len(served.graph),
        "precision": "FP32",
        "checks": checks,
    }
    record = {
        "files": {GRAPH: about},
        "given": dict(given),
        "added": datetime.now(UTC).isoformat(timespec="seconds"),
        "wrapped": wanted.model_dump(mode="json", include={"colours", "scale", "mean", "std"})
        | {"layout": placed.layout, "head": {name: value for name, value in vars(head).items() if name != "card"}},
    }
    most = (CPU_BATCH, GPU_BATCH) if served.batched else (0, 0)
    texts = {
        "config.pbtxt": _config(placed, head, served, most[0], gpu=False),
        "configs/gpu.pbtxt": _config(placed, head, served, most[1], gpu=True),
        "card.json": json.dumps(_card(wanted, head, given), indent=2, ensure_ascii=False) + "\n",
        f"{version}/export.json": json.dumps(record, indent=2, default=vars) + "\n",
    }
    if LABELLED in head.shapes() and wanted.task in {"classification", "delineation"}:
        texts["labels.txt"] = "".join(f"{name}\n" for name in wanted.classes)
    return {**{name: text.encode() for name, text in texts.items()}, f"{version}/{GRAPH}": served.graph}


def _card(wanted: Wanted, head: Head, given: Mapping[str, Any]) -> dict[str, Any]:
    """The card, with nothing on it that nobody has said or measured."""
    colours = itertools.cycle(COLOURS)
    card = Card.model_validate(
        {
            "schema_version": 1,
            "name": wanted.name,
            "title": wanted.title or wanted.name,
            "task": wanted.task,
            "modality": wanted.modality,
            "intended_use": wanted.intended_use,
            "not_intended_for": [
                "Diagnosis, triage, treatment or any other clinical decision: this is not a medical device"
            ],
            "preprocessing": {
                "resize_filter": wanted.resize_filter,
                "background": wanted.padding,
                "fit": wanted.fit,
                "crop_share": wanted.crop_share,
            },
            **head.parts(),
            "classes": [
                {"name": name, "title": name.replace("_", " "), "colour": colour, "description": "not stated"}
                for name, colour in zip(wanted.names, colours, strict=False)
            ],
            "origin": {
                "package": "a file of one's own",
                "version": "not stated",
                "file": given["file"],
                "sha256": given["sha256"],
                "licence": wanted.licence,
            },
            "performance": [],
            "limitations": [NOT_MEASURED],
        }
    )
    return card.model_dump(mode="json", exclude_defaults=True)


def _config(placed: Placement, head: Head, served: Served, most: int, *, gpu: bool) -> str:
    """Triton's configuration; `most` is 0 for a graph that takes one picture, whose batch axis is in the sizes then."""
    one = () if most else (1,)
    size = [*one, *placed.size, 3]
    takes = "batches of pictures" if most else "one picture at a time: its shapes allow no more"
    lines = [
        f"# Made by `oncoserve models add`. Normalisation is inside the graph, which takes {takes}.",
        'backend: "onnxruntime"',
        f'default_model_filename: "{GRAPH}"',
        f"max_batch_size: {most}",
        f'input [ {{ name: "image" data_type: TYPE_UINT8 dims: {size} }} ]',
    ]
    for name, (dtype, dims) in head.shapes().items():
        labels = ' label_filename: "labels.txt"' if name == LABELLED and len(dims) == 1 else ""
        kind = TRITON_TYPES[np.dtype(dtype)]
        shape = [*one, *served.shapes[name][1:]]
        lines.append(f'output [ {{ name: "{name}" data_type: {kind} dims: {shape}{labels} }} ]')
    lines.append(f"instance_group [ {{ kind: {'KIND_GPU' if gpu else 'KIND_CPU'} count: 1 }} ]")
    if most:
        lines.append("dynamic_batching { }")
        lines += [] if gpu else [_warm_up(size, count) for count in (1, most)]
    return "\n".join(lines) + "\n"


def _warm_up(size: Sequence[int], count: int) -> str:
    random = f'inputs {{ key: "image" value {{ data_type: TYPE_UINT8 dims: {size} random_data: true }} }}'
    return f'model_warmup [ {{ name: "of_{count}" batch_size: {count} {random} }} ]'
