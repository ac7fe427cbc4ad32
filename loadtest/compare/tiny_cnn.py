"""A classifier so small that serving is all that is measured: a real ONNX graph in a complete Triton model folder."""

from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper

from testbed.model_folder import PLAIN_BATCHING, card, config, write_card, write_labels, write_model

NAME: Final = "tiny_cnn"
SIDE: Final = 240
LABELS: Final = ("glioma", "meningioma", "notumor", "pituitary")
BATCHING: Final = PLAIN_BATCHING
MAX_BATCH_SIZE: Final = 16
_CHANNELS: Final = (3, 8, 16, 32)
_STRIDES: Final = (4, 4, 2)
# The bias puts the logits' means over the base pictures at zero, so that labels differ between pictures. The gain makes
# a probability move by 4e-4 to 1e-3 with another resize filter or a scaled JPEG decoding, and by less than 1e-4 where
# two implementations of the same filter round 3 values of 1000 to neighbouring levels.
_GAIN: Final = 0.5
_BIAS: Final = (0.1091, 0.0797, 0.3401, -0.5289)


def write_repository(repository: Path, batching: str = BATCHING, kind: str = "KIND_CPU") -> None:
    """Write a model repository with the tiny classifier and nothing else.

    Input `image` UINT8 [240, 240, 3] RGB, output `probabilities` FP32 [4]; normalisation is inside the graph.

    Args:
        repository: The folder, made if it is not there.
        batching: The line of config.pbtxt about batching; empty for none.
        kind: Where it runs, KIND_CPU or KIND_GPU.
    """
    nodes, constants = _graph()
    folder = write_model(
        repository,
        NAME,
        nodes,
        constants,
        inputs={"image": (TensorProto.UINT8, ["N", SIDE, SIDE, 3])},
        outputs={"probabilities": (TensorProto.FLOAT, ["N", len(LABELS)])},
        config=config(
            MAX_BATCH_SIZE,
            inputs={"image": ("TYPE_UINT8", [SIDE, SIDE, 3])},
            outputs={"probabilities": ("TYPE_FP32", [len(LABELS)])},
            kind=kind,
            labelled="probabilities",
            extra=batching,
        ),
    )
    write_labels(folder, LABELS)
    meaning = {
        "title": "Tiny CNN of the load tests",
        "intended_use": "Measuring the cost of serving; the weights are random.",
        "performance": [],
        "limitations": ["The weights are random."],
    }
    write_card(folder, card(NAME, LABELS) | meaning)


def _graph() -> tuple[list[onnx.NodeProto], dict[str, ArrayLike]]:
    """Nodes and constants: three strided convolutions, the mean over all pixels, a linear layer, softmax; seeded."""
    random = np.random.default_rng(0)
    constants: dict[str, ArrayLike] = {"scale": np.array(1 / 255, np.float32), "middle": np.array(0.5, np.float32)}
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
    return nodes, constants
