"""A complete folder of a Triton model repository, written from the nodes of an ONNX graph."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import helper, numpy_helper

CLASSES: Final = ("red", "green", "blue", "grey")
PLAIN_BATCHING: Final = "dynamic_batching { }"
QUEUE_POLICY: Final = "dynamic_batching { default_queue_policy { max_queue_size: 1000 } }"
_COLOURS: Final = ("#d62728", "#2ca02c", "#1f77b4", "#7f7f7f")
_OPSET: Final = 17
_IR_VERSION: Final = 8

Graph = tuple[int, Sequence[int | str]]
"""A tensor of a graph: ONNX's number of its type, and its shape, where a name is a free dimension."""

Configured = tuple[str, Sequence[int]]
"""A tensor of a config.pbtxt: Triton's name of its type, and its dims, where -1 is free."""


def write_model(
    repository: Path,
    name: str,
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, ArrayLike],
    *,
    inputs: Mapping[str, Graph],
    outputs: Mapping[str, Graph],
    config: str,
) -> Path:
    """Write a model's folder: config.pbtxt, 1/model.onnx and 1/export.json.

    Args:
        repository: The model repository, made if it is not there.
        name: The model's name.
        nodes: Of the graph, in the order of their execution.
        constants: Of the graph, by name.
        inputs: Of the graph, by name.
        outputs: Of the graph, by name.
        config: The content of config.pbtxt.

    Returns:
        The model's folder.
    """
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(key, *value) for key, value in inputs.items()],
        [helper.make_tensor_value_info(key, *value) for key, value in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    folder = repository / name
    (folder / "1").mkdir(parents=True)
    data = model.SerializeToString()
    (folder / "1/model.onnx").write_bytes(data)
    file = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "precision": "FP32", "checks": {}}
    export = {"files": {"model.onnx": file}, "source": {}}
    (folder / "1/export.json").write_text(json.dumps({**export, "exported_with": {"onnx": onnx.__version__}}))
    (folder / "config.pbtxt").write_text(config)
    return folder


def config(
    max_batch_size: int,
    inputs: Mapping[str, Configured],
    outputs: Mapping[str, Configured],
    *,
    backend: str = "onnxruntime",
    kind: str = "KIND_CPU",
    labelled: str = "",
    extra: str = "",
) -> str:
    """Render config.pbtxt.

    Args:
        max_batch_size: 0 for a model whose tensors have the batch axis in their dims.
        inputs: By name.
        outputs: By name.
        backend: Triton's backend.
        kind: Where the model runs, KIND_CPU or KIND_GPU.
        labelled: The output whose classes are named in labels.txt; empty for none.
        extra: More lines.
    """

    def entries(tensors: Mapping[str, Configured]) -> str:
        lines = []
        for name, (data_type, dims) in tensors.items():
            labels = ' label_filename: "labels.txt"' if name == labelled else ""
            lines.append(f'  {{ name: "{name}" data_type: {data_type} dims: {list(dims)}{labels} }}')
        return ",\n".join(lines)

    return (
        f'backend: "{backend}"\nmax_batch_size: {max_batch_size}\n'
        f"input [\n{entries(inputs)}\n]\noutput [\n{entries(outputs)}\n]\n"
        f"instance_group [ {{ kind: {kind} count: 1 }} ]\n{extra}\n"
    )


def card(name: str, classes: Sequence[str] = CLASSES) -> dict[str, Any]:
    """The card of a tiny classifier, complete and without clinical meaning; at most four classes."""
    return {
        "schema_version": 1,
        "name": name,
        "title": f"Tiny test model {name}",
        "task": "classification",
        "modality": "none",
        "intended_use": "Tests of this software.",
        "not_intended_for": ["Anything else."],
        "preprocessing": {"resize_filter": "bicubic", "background": "#000000"},
        "classes": [
            {"name": label, "title": label.capitalize(), "colour": colour, "description": f"Mostly {label}."}
            for label, colour in zip(classes, _COLOURS, strict=False)
        ],
        "origin": {"package": "none", "version": "0", "file": "none", "sha256": "0" * 64, "licence": "MIT"},
        "performance": [{"metric": "accuracy", "value": 1.0, "data": "made up", "caveat": "A test model."}],
        "limitations": ["Knows only mean colours."],
        "saliency": None,
    }


def write_card(folder: Path, made: Mapping[str, Any]) -> None:
    """Write card.json into a model's folder."""
    (folder / "card.json").write_text(json.dumps(made, indent=2))


def write_labels(folder: Path, classes: Sequence[str]) -> None:
    """Write labels.txt, a class a line in the order of the output, into a model's folder."""
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in classes))
