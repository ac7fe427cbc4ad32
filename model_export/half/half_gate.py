"""The gate of the FP16 graph: it names what the FP32 graph names, and points where that one points.

It is held on the CPU, whose kernels compute float16 in float32. ONNX Runtime leaves a run of such nodes in float32 and
so neither rounds nor overflows between them, as a GPU does; `rounded` is the graph that does.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from model_export.graph import replace
from model_export.half.half_graph import to_half
from model_export.verify import Array, open_session, require, run_one_by_one

__all__ = ["check", "compare", "rounding_session", "to_half"]

DIFFERING_LIMIT: Final = 0.005
"""Largest share of the labels (of pixels, where each has one), and of the peaks of a map, that are not FP32's."""
PROBABILITY_LIMIT: Final = 0.05
"""Largest change of a probability; 0.0012 was met on 97 pictures, and three levels of 255 on tiles of tissue."""
MAP_LIMIT: Final = 0.05
"""Largest mean change of a map's cell (0 to 1)."""
BOX_LIMIT: Final = 0.01
"""Largest change of an edge of the box at the peak, in sides of the picture."""
STRANGENESS_LIMIT: Final = 0.02
"""Largest change of how unlike the training pictures a picture is; 1 is a rare one of them."""


def check(exact: bytes, half: bytes, images: Array) -> Mapping[str, Mapping[str, float]]:
    """Compares the two graphs on (N, H, W, 3) uint8 pictures; see `compare`.

    Raises:
        CheckError: A value is over its limit.
    """
    return compare(run_one_by_one(open_session(exact), images), run_one_by_one(rounding_session(half), images))


def rounding_session(half: bytes) -> onnxruntime.InferenceSession:
    """Loads an FP16 graph on the CPU so that it rounds and overflows where a GPU does; see `rounded`."""
    return onnxruntime.InferenceSession(
        rounded(half), providers=["CPUExecutionProvider"], disabled_optimizers=["EliminateIdentity"]
    )


def compare(exact: Mapping[str, Array], half: Mapping[str, Array]) -> Mapping[str, Mapping[str, float]]:
    """What FP16 changes in the outputs of the same pictures, each with its limit.

    Args:
        exact: Of the FP32 graph: `probabilities` (N, K, ...), float or levels of 255; perhaps maps (N, h, w) in 0 to 1
            and `boxes` (N, h, w, 4) in sides of the picture; perhaps `strangeness` (N, 1).
        half: Of the FP16 graph, the same.

    Raises:
        CheckError: A value is over its limit, or not a number.
    """
    labels = [outputs["probabilities"].argmax(axis=1) for outputs in (exact, half)]
    levels = 255 if exact["probabilities"].dtype == np.uint8 else 1
    probabilities = [outputs["probabilities"].astype(np.float64) / levels for outputs in (exact, half)]
    evidence = [
        require("labels_differing", (labels[1] != labels[0]).mean(), np.zeros(()), DIFFERING_LIMIT),
        require("probabilities_moved", probabilities[1], probabilities[0], PROBABILITY_LIMIT),
    ]
    for name in sorted({"heatmap", "mask", "saliency"}.intersection(exact)):
        peaks = [outputs[name].reshape(len(outputs[name]), -1).argmax(axis=1) for outputs in (exact, half)]
        moved = np.abs(half[name].astype(np.float64) - exact[name]).mean()
        evidence += [
            require(f"{name}_peaks_differing", (peaks[1] != peaks[0]).mean(), np.zeros(()), DIFFERING_LIMIT),
            require(f"{name}_moved", moved, np.zeros(()), MAP_LIMIT),
        ]
        if "boxes" in exact:
            places = np.arange(len(peaks[0])), peaks[0]
            boxes = [outputs["boxes"].reshape(len(places[0]), -1, 4)[places] for outputs in (exact, half)]
            evidence.append(require("box_moved", boxes[1], boxes[0], BOX_LIMIT))
    if "strangeness" in exact:
        evidence.append(require("strangeness_moved", half["strangeness"], exact["strangeness"], STRANGENESS_LIMIT))
    return {item.name: {"value": item.value, "limit": item.limit} for item in evidence}


def rounded(half: bytes) -> bytes:
    """The FP16 graph with each float16 tensor rounded on a CPU, too; for its numbers, not its speed.

    Each tensor passes two Identity nodes, which float16 has kernels for: a lone one is turned into float32 like its
    neighbours. The session must not be let to eliminate them.
    """
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(half))
    tensors = {
        value.name for value in model.graph.value_info if value.type.tensor_type.elem_type == TensorProto.FLOAT16
    }
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        nodes.append(node)
        for index, name in enumerate(node.output):
            if name in tensors:
                node.output[index] = f"{name}/exact"
                nodes.append(helper.make_node("Identity", [f"{name}/exact"], [f"{name}/rounding"]))
                nodes.append(helper.make_node("Identity", [f"{name}/rounding"], [name]))
    replace(model.graph.node, nodes)
    del model.graph.value_info[:]
    serialised: bytes = model.SerializeToString()
    return serialised
