"""A classifier so small that serving is all that is measured: a real ONNX graph in a complete Triton model folder."""

import itertools
from pathlib import Path
from typing import Final

import numpy as np
import onnx.parser
from numpy.typing import ArrayLike
from onnx import TensorProto

from testbed.model_folder import PLAIN_BATCHING, card, config, write_card, write_labels, write_model

NAME: Final = "tiny_cnn"
SIDE: Final = 240
LABELS: Final = ("glioma", "meningioma", "notumor", "pituitary")
BATCHING: Final = PLAIN_BATCHING
MAX_BATCH_SIZE: Final = 16
_CHANNELS: Final = (3, 8, 16, 32)
_GRAPH: Final = f"""
    {NAME} (uint8[N,{SIDE},{SIDE},3] image) => (float[N,{len(LABELS)}] probabilities) {{
        levels = Cast<to = {TensorProto.FLOAT}>(image)
        unit = Mul(levels, scale)
        centred = Sub(unit, middle)
        pixels = Transpose<perm = [0, 3, 1, 2]>(centred)
        conv0 = Conv<strides = [4, 4], pads = [1, 1, 1, 1]>(pixels, kernel0)
        features0 = Relu(conv0)
        conv1 = Conv<strides = [4, 4], pads = [1, 1, 1, 1]>(features0, kernel1)
        features1 = Relu(conv1)
        conv2 = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(features1, kernel2)
        features2 = Relu(conv2)
        pooled = ReduceMean<axes = [2, 3], keepdims = 0>(features2)
        scores = MatMul(pooled, weights)
        logits = Add(scores, bias)
        probabilities = Softmax<axis = 1>(logits)
    }}
"""
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
    folder = write_model(
        repository,
        NAME,
        list(onnx.parser.parse_graph(_GRAPH).node),
        _constants(),
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
    write_card(folder, card(NAME, LABELS))


def _constants() -> dict[str, ArrayLike]:
    """Seeded."""
    random = np.random.default_rng(0)
    found: dict[str, ArrayLike] = {"scale": np.array(1 / 255, np.float32), "middle": np.array(0.5, np.float32)}
    for layer, (inputs, outputs) in enumerate(itertools.pairwise(_CHANNELS)):
        kernel = random.normal(0, (2 / (inputs * 9)) ** 0.5, (outputs, inputs, 3, 3))
        found[f"kernel{layer}"] = kernel.astype(np.float32)
    weights = random.normal(0, 1, (_CHANNELS[-1], len(LABELS)))
    found["weights"] = (_GAIN * (weights - weights.mean(axis=1, keepdims=True))).astype(np.float32)
    return {**found, "bias": np.array(_BIAS, np.float32)}
