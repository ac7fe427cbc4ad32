"""A classifier so small that serving is all that is measured: a real ONNX graph in a complete Triton model folder."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

NAME = "tiny_cnn"
SIDE = 240
LABELS = ("glioma", "meningioma", "notumor", "pituitary")
BATCHING = "dynamic_batching { }"
MAX_BATCH_SIZE = 16
_COLOURS = ("#e69f00", "#0072b2", "#009e73", "#cc79a7")
_OPSET, _IR_VERSION = 17, 8
_CHANNELS = (3, 8, 16, 32)
_STRIDES = (4, 4, 2)
# The bias puts the logits' means over the base pictures at zero, so that labels differ between pictures. The gain makes
# a probability move by 4e-4 to 1e-3 with another resize filter or a scaled JPEG decoding, and by less than 1e-4 where
# two implementations of the same filter round 3 values of 1000 to neighbouring levels.
_GAIN = 0.5
_BIAS = (0.1091, 0.0797, 0.3401, -0.5289)


def write_repository(repository: Path, batching: str = BATCHING, kind: str = "KIND_CPU") -> Path:
    """Write a model repository with the tiny classifier and nothing else.

    Input `image` UINT8 [240, 240, 3] RGB, output `probabilities` FP32 [4]; normalisation is inside the graph.

    Args:
        repository: The folder, made if it is not there.
        batching: The line of config.pbtxt about batching; empty for none.
        kind: Where it runs, KIND_CPU or KIND_GPU.

    Returns:
        The graph's file.
    """
    folder = repository / NAME
    graph = folder / "1/model.onnx"
    graph.parent.mkdir(parents=True)
    data = _model().SerializeToString()
    graph.write_bytes(data)
    record = {"model_sha256": hashlib.sha256(data).hexdigest()}
    (graph.parent / "export.json").write_text(json.dumps(record))
    (folder / "config.pbtxt").write_text(_config(batching, kind))
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    (folder / "card.json").write_text(json.dumps(_card()))
    return graph


def _model() -> onnx.ModelProto:
    """Three strided convolutions, the mean over all pixels, one linear layer, softmax; seeded weights."""
    random = np.random.default_rng(0)
    constants: dict[str, NDArray[Any]] = {"scale": np.array(1 / 255, np.float32), "middle": np.array(0.5, np.float32)}
    nodes = [
        helper.make_node("Cast", ["image"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["levels", "scale"], ["unit"]),
        helper.make_node("Sub", ["unit", "middle"], ["centred"]),
        helper.make_node("Transpose", ["centred"], ["features0"], perm=[0, 3, 1, 2]),
    ]
    for layer, (inputs, outputs, stride) in enumerate(zip(_CHANNELS, _CHANNELS[1:], _STRIDES, strict=False)):
        kernel = random.normal(0, (2 / (inputs * 9)) ** 0.5, (outputs, inputs, 3, 3)).astype(np.float32)
        constants[f"kernel{layer}"] = kernel
        nodes += [
            helper.make_node(
                "Conv", [f"features{layer}", f"kernel{layer}"], [f"conv{layer}"], strides=[stride] * 2, pads=[1] * 4
            ),
            helper.make_node("Relu", [f"conv{layer}"], [f"features{layer + 1}"]),
        ]
    weights = random.normal(0, 1, (_CHANNELS[-1], len(LABELS)))
    constants["weights"] = (_GAIN * (weights - weights.mean(axis=1, keepdims=True))).astype(np.float32)
    constants["bias"] = np.array(_BIAS, np.float32)
    nodes += [
        helper.make_node("ReduceMean", [f"features{len(_STRIDES)}"], ["pooled"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["pooled", "weights"], ["scores"]),
        helper.make_node("Add", ["scores", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        NAME,
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(LABELS)])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def _config(batching: str, kind: str) -> str:
    return f"""\
backend: "onnxruntime"
max_batch_size: {MAX_BATCH_SIZE}
input [ {{ name: "image" data_type: TYPE_UINT8 dims: [ {SIDE}, {SIDE}, 3 ] }} ]
output [ {{ name: "probabilities" data_type: TYPE_FP32 dims: [ {len(LABELS)} ] label_filename: "labels.txt" }} ]
instance_group [ {{ kind: {kind} count: 1 }} ]
{batching}
"""


def _card() -> dict[str, Any]:
    return {
        "schema_version": 1,
        "name": NAME,
        "title": "Tiny CNN of the load tests",
        "task": "classification",
        "modality": "none",
        "intended_use": "Measuring the cost of serving; the weights are random.",
        "not_intended_for": ["Anything else."],
        "preprocessing": {"resize_filter": "bicubic", "background": "#000000"},
        "classes": [
            {"name": label, "title": label.capitalize(), "colour": colour, "description": "No meaning."}
            for label, colour in zip(LABELS, _COLOURS, strict=True)
        ],
        "origin": {"package": "none", "version": "0", "file": "none", "sha256": "0" * 64, "licence": "MIT"},
        "performance": [],
        "limitations": ["The weights are random."],
        "saliency": None,
    }
