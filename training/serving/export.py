"""From a trained network to the graph that Triton serves."""

import io
import warnings
from typing import Final

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from training.network import evened
from training.run_settings import CELLS, CLASSES, SIDE
from training.serving.resemblance import METHODS, Resemblance

OPSET: Final = 17
"""Known to ONNX Runtime 1.12 and newer, so to every Triton of the last years."""
OUTPUTS: Final = ("probabilities", "mask", "strangeness")


class ServedGraph(nn.Module):
    """The contract: RGB bytes in; calibrated probabilities, a mask and how strange the picture is out.

    Args:
        network: trained.
        temperature: that divides the logits of the classes.
        resemblance: what is typical for this network.
        method: one of METHODS.
    """

    def __init__(self, network: nn.Module, temperature: float, resemblance: Resemblance, method: str) -> None:
        super().__init__()
        if method not in METHODS:
            raise ValueError(f"no such method: {method}; there are {', '.join(METHODS)}")
        self.network = network
        self.temperature, self.method = temperature, method
        self.far, self.middle, self.high = resemblance.far, resemblance.middle, resemblance.high
        self.centre = nn.Buffer(torch.from_numpy(resemblance.centre))
        self.whitening = nn.Buffer(torch.from_numpy(resemblance.whitening))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, S, S, 3) uint8 RGB to (N, 3), (N, S / 4, S / 4) and (N, 1), float32."""
        grey = image.float().mean(3).unsqueeze(1)
        seen = self.network(grey)
        probabilities = (seen.classes / self.temperature).softmax(1)
        distance = ((seen.features - self.centre) @ self.whitening).square().mean(1).sqrt() / self.far
        head = ((seen.outlier - self.middle) / (self.high - self.middle)).clamp(min=0)
        strangeness = {"distance": distance, "head": head, "both": torch.maximum(distance, head)}[self.method]
        return probabilities, evened(seen.mask.sigmoid()).squeeze(1), strangeness.unsqueeze(1)


def export(network: nn.Module, temperature: float, resemblance: Resemblance, method: str) -> bytes:
    """The serialised graph: batch normalisation folded, kernels stored as float16, arithmetic in float32."""
    served = ServedGraph(network.float().cpu(), temperature, resemblance, method).eval()
    written = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter that traces needs no package beyond onnx, and says that it is the older one.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            served,
            (torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8),),
            written,
            input_names=["image"],
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "N"} for name in ("image", *OUTPUTS)},
            opset_version=OPSET,
            dynamo=False,
        )
    graph = onnx.load_from_string(written.getvalue())
    _name_shapes(graph)
    _store_half(graph)
    onnx.checker.check_model(graph, full_check=True)
    serialised: bytes = graph.SerializeToString(deterministic=True)
    return serialised


def _store_half(graph: onnx.ModelProto) -> None:
    """Store the kernels of convolutions as float16, cast to float32 when the graph is loaded."""
    kernels = {node.input[1] for node in graph.graph.node if node.op_type == "Conv"}
    casts = []
    for tensor in graph.graph.initializer:
        if tensor.name in kernels:
            half = numpy_helper.to_array(tensor).astype(np.float16)
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
            casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.graph.node]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)


def _name_shapes(graph: onnx.ModelProto) -> None:
    """Write down the shapes that Triton compares with its configuration."""
    shapes = {"probabilities": [len(CLASSES)], "mask": [CELLS, CELLS], "strangeness": [1]}
    for output in graph.graph.output:
        described = helper.make_tensor_value_info(output.name, TensorProto.FLOAT, ["N", *shapes[output.name]])
        output.CopyFrom(described)
