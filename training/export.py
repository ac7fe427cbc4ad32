"""From a trained network to the graph that Triton serves."""

import io
import warnings
from typing import Final

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from training.run_settings import CELLS, CLASSES, SIDE

OPSET: Final = 17
"""Known to ONNX Runtime 1.12 and newer, so to every Triton of the last years."""


class ServedGraph(nn.Module):
    """The contract: RGB bytes in; calibrated probabilities, heat and boxes out."""

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, S, S, 3) uint8 RGB to (N, 4), (N, S / 8, S / 8) and (N, S / 8, S / 8, 4), float32."""
        grey = image.float().mean(3).unsqueeze(1)
        logits, heat, boxes = self.network(grey)
        probabilities = (logits / self.temperature).softmax(1)
        return probabilities, heat.squeeze(1).sigmoid(), boxes.permute(0, 2, 3, 1).clamp(0, 1)


def export(network: nn.Module, temperature: float) -> bytes:
    """The serialised graph: batch normalisation folded, kernels stored as float16, arithmetic in float32."""
    served = ServedGraph(network.float().cpu(), temperature).eval()
    outputs = ("probabilities", "heatmap", "boxes")
    written = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter that traces needs no package beyond onnx, and says that it is the older one.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            served,
            (torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8),),
            written,
            input_names=["image"],
            output_names=list(outputs),
            dynamic_axes={name: {0: "N"} for name in ("image", *outputs)},
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
    shapes = {"probabilities": [len(CLASSES)], "heatmap": [CELLS, CELLS], "boxes": [CELLS, CELLS, 4]}
    for output in graph.graph.output:
        described = helper.make_tensor_value_info(output.name, TensorProto.FLOAT, ["N", *shapes[output.name]])
        output.CopyFrom(described)
