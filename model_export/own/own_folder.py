"""The folder of somebody's own model in the model repository: configurations, card, labels and record."""

import hashlib
import itertools
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from model_export.own.placement import Placement
from model_export.own.wanted import Wanted
from oncoserve.tasks.card import Card

GRAPH: Final = "model.onnx"
VERSION: Final = "1"
CPU_BATCH, GPU_BATCH = 8, 32
NOT_MEASURED: Final = (
    "Nothing of this model was measured here: not its accuracy, not its calibration, not where it errs."
)
# Okabe and Ito's, told apart by people who see few colours; those that are left over begin again.
COLOURS: Final = ("#e69f00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")


def files(
    wanted: Wanted,
    placed: Placement,
    graph: bytes,
    given: Mapping[str, Any],
    checks: Mapping[str, Any],
    *,
    batched: bool,
) -> dict[str, bytes]:
    """What belongs into the model's folder, by path in it.

    Args:
        wanted: What was said of it.
        placed: What was found.
        graph: The serving graph.
        given: Of the given file: name, bytes, sha256.
        checks: What was compared, and its limits.
        batched: Whether it takes several pictures at once.
    """
    record = {
        "files": {
            GRAPH: {
                "sha256": hashlib.sha256(graph).hexdigest(),
                "bytes": len(graph),
                "precision": "FP32",
                "checks": dict(checks),
            }
        },
        "given": dict(given),
        "added": datetime.now(UTC).isoformat(timespec="seconds"),
        "wrapped": wanted.model_dump(mode="json", include={"colours", "scale", "mean", "std"})
        | {"layout": placed.layout, "probabilities_given": placed.activated},
    }
    texts = {
        "config.pbtxt": _config(wanted, placed, CPU_BATCH if batched else 0, gpu=False),
        "configs/gpu.pbtxt": _config(wanted, placed, GPU_BATCH if batched else 0, gpu=True),
        "card.json": json.dumps(_card(wanted, given), indent=2, ensure_ascii=False) + "\n",
        "labels.txt": "".join(f"{name}\n" for name in wanted.classes),
        f"{VERSION}/export.json": json.dumps(record, indent=2) + "\n",
    }
    return {**{name: text.encode() for name, text in texts.items()}, f"{VERSION}/{GRAPH}": graph}


def _card(wanted: Wanted, given: Mapping[str, Any]) -> dict[str, Any]:
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
                "background": "#000000",
                "fit": wanted.fit,
                "crop_share": wanted.crop_share,
            },
            "classification": wanted.model_dump(include={"labels", "least_probability", "thresholds"}),
            "classes": [
                {"name": name, "title": name.replace("_", " "), "colour": colour, "description": "not stated"}
                for name, colour in zip(wanted.classes, colours, strict=False)
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


def _config(wanted: Wanted, placed: Placement, most: int, *, gpu: bool) -> str:
    """Triton's configuration; `most` is 0 for a graph that takes one picture, whose batch axis is in the sizes then."""
    one = "" if most else "1, "
    size, classes = f"{one}{placed.height}, {placed.width}, 3", f"{one}{len(wanted.classes)}"
    takes = "batches of pictures" if most else "one picture at a time: its shapes allow no more"
    lines = [
        f"# Made by `oncoserve models add`. Normalisation is inside the graph, which takes {takes}.",
        'backend: "onnxruntime"',
        f'default_model_filename: "{GRAPH}"',
        f"max_batch_size: {most}",
        f'input [ {{ name: "image" data_type: TYPE_UINT8 dims: [ {size} ] }} ]',
        f'output [ {{ name: "probabilities" data_type: TYPE_FP32 dims: [ {classes} ] label_filename: "labels.txt" }} ]',
        f"instance_group [ {{ kind: {'KIND_GPU' if gpu else 'KIND_CPU'} count: 1 }} ]",
    ]
    if most:
        lines.append("dynamic_batching { }")
        lines += [] if gpu else [_warm_up(size, count) for count in (1, most)]
    return "\n".join(lines) + "\n"


def _warm_up(size: str, count: int) -> str:
    random = f'inputs {{ key: "image" value {{ data_type: TYPE_UINT8 dims: [ {size} ] random_data: true }} }}'
    return f'model_warmup [ {{ name: "of_{count}" batch_size: {count} {random} }} ]'
