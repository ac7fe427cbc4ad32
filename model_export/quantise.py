"""Static INT8 quantisation of the convolutions of a graph, for CPUs.

Activations become uint8 (one scale a tensor), weights int8 (one scale an output channel), both written as QDQ: a
QuantizeLinear and a DequantizeLinear around what ONNX Runtime then runs as one integer convolution. Everything
behind the last convolution stays float32.
"""

import copy
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QDQQuantizer,
    QuantType,
    TensorsData,
    create_calibrator,
)

_DIGITS: Final = 4
"""Significant digits of a calibrated bound.

The last bits of a float32 sum differ between CPUs. Rounded, the bounds are the same, and so are the exported bytes.
"""


def quantise_convolutions(model: bytes, images: npt.NDArray[np.uint8]) -> bytes:
    """Quantises every convolution, and the Relu behind it.

    Weights use 7 of their 8 bits. AVX2 without VNNI adds two products of a uint8 and an int8 in 16 bits, which only
    7-bit weights cannot overflow (2 * 255 * 64 = 32 640); the integer sums are then the same on every CPU.

    Args:
        model: The serialised graph, with one input.
        images: (N, height, width, 3) uint8 RGB; the bounds of each activation are its extremes over all of them.
    """
    graph = onnx.load_from_string(model)
    convolutions = [node for node in graph.graph.node if node.op_type == "Conv"]
    outputs = {node.output[0] for node in convolutions}
    relus = [node for node in graph.graph.node if node.op_type == "Relu" and node.input[0] in outputs]
    quantizer = QDQQuantizer(
        copy.deepcopy(graph),
        per_channel=True,
        reduce_range=True,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=_bounds(graph, images),
        nodes_to_quantize=[node.name for node in (*convolutions, *relus)],
        nodes_to_exclude=[],
        op_types_to_quantize=["Conv", "Relu"],
        extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    quantised = quantizer.model.model
    onnx.checker.check_model(quantised, full_check=True)
    serialised: bytes = quantised.SerializeToString(deterministic=True)
    return serialised


def _bounds(graph: onnx.ModelProto, images: npt.NDArray[np.uint8]) -> TensorsData:
    """Smallest and largest value of each activation around a convolution or a Relu, over all images."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        onnx.save(graph, path)
        calibrator = create_calibrator(
            path,
            ["Conv", "Relu"],
            augmented_model_path=str(Path(folder, "augmented.onnx")),
            calibrate_method=CalibrationMethod.MinMax,
        )
        calibrator.collect_data(_Images(graph.graph.input[0].name, images))
        measured = calibrator.compute_data()
    rounded = {name: tuple(_round(bound) for bound in data.range_value) for name, data in measured.items()}
    return TensorsData(CalibrationMethod.MinMax, rounded)


def _round(bound: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.array(f"{bound.item():.{_DIGITS - 1}e}", np.float32)


class _Images(CalibrationDataReader):  # type: ignore[misc] # no type information
    """Hands the calibrator one image at a time."""

    def __init__(self, name: str, images: npt.NDArray[np.uint8]) -> None:
        self._feeds: Iterator[dict[str, Any]] = iter([{name: image[np.newaxis]} for image in images])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)
