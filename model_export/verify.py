"""Checks that an exported model does what its source does, on real pictures and at every export."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from model_export.export_errors import CheckError
from model_export.saliency import GRADIENT

Array = npt.NDArray[Any]

PROBABILITY_LIMIT: Final = 1e-5
"""Largest difference of a probability; float32 kernels that sum in another order stay two powers of ten below."""
SALIENCY_LIMIT: Final = 1e-4
"""Largest difference of a saliency value (0-1): a cell is a float32 sum of 512 products that partly cancel."""
STRANGENESS_LIMIT: Final = 1e-3
"""Largest difference of a strangeness, which is near 1 at the limit: the root of a sum of 96 squares."""
GRADIENT_LIMIT: Final = 1e-4
"""Largest difference of a gradient from finite differences, relative to the largest gradient of the picture.

The head is piecewise linear, so central differences in float64 are exact to about 1e-9 unless a step crosses
a kink of a ReLU. What is left is the float32 rounding of the graph's own gradient, about 1e-7.
"""
_STEP: Final = 1e-6
"""Step of the finite differences: small beside a unit's distance from its kink, large beside float64 rounding."""
_PROBED: Final = 32
"""Activations probed per picture: as many of the largest contributions, and as many at random."""


@dataclass(frozen=True)
class Check:
    """A check that passed: the value met, not over its limit."""

    name: str
    value: float
    limit: float


def require(name: str, got: Array, expected: Array, limit: float) -> Check:
    """Compares two arrays of one shape by their largest absolute difference.

    Raises:
        CheckError: The difference is over the limit, or not a number.
    """
    if got.shape != expected.shape:
        raise ValueError(f"{name}: shapes {got.shape} and {expected.shape} cannot be compared")
    value = float(np.abs(got.astype(np.float64) - expected).max())
    if not value <= limit:
        raise CheckError(name, value, limit)
    return Check(name, value, limit)


def load_images(paths: Sequence[Path], side: int) -> Array:
    """Reads pictures the way that the card pins: RGB, Pillow's bicubic filter; (N, side, side, 3) uint8."""
    images = []
    for path in paths:
        with Image.open(path) as image:
            images.append(np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)))
    return np.stack(images)


def open_session(model: bytes | Path) -> onnxruntime.InferenceSession:
    """Loads a graph on the CPU: serialised, or a file with its companions beside it."""
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, batch: Array) -> dict[str, Array]:
    """Runs one batch through a graph with one input, and gives its outputs by name."""
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: batch}), strict=True))


def run_one_by_one(session: onnxruntime.InferenceSession, images: Array) -> dict[str, Array]:
    """Runs each picture as a batch of one, and gives the outputs joined again."""
    answers = [run(session, images[index : index + 1]) for index in range(len(images))]
    return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}


def same_as_source(source: onnxruntime.InferenceSession, images: Array, served: Mapping[str, Array]) -> Check:
    """The probabilities served for `images` are those of the published graph, which takes RGB / 255 as float32."""
    published = run_one_by_one(source, images.astype(np.float32) / np.float32(255))
    (probabilities,) = published.values()
    return require("probabilities_as_source", served["probabilities"], probabilities, PROBABILITY_LIMIT)


def same_in_a_batch(
    session: onnxruntime.InferenceSession, images: Array, singles: Mapping[str, Array]
) -> tuple[Check, ...]:
    """One batch of `images` gives what they give one by one."""
    batch = run(session, images)
    limits = {"probabilities": PROBABILITY_LIMIT, "saliency": SALIENCY_LIMIT, "strangeness": STRANGENESS_LIMIT}
    return tuple(
        require(f"{name}_in_a_batch", batch[name], singles[name], limit)
        for name, limit in limits.items()
        if name in singles
    )


def all_recognised(probabilities: Array, labels: Array) -> Check:
    """Each labelled picture gets its class: the order of the outputs is the order of the labels."""
    missed = np.count_nonzero(probabilities.argmax(axis=1) != labels)
    return require("samples_missed", np.array(missed), np.array(0), 0)


def labels_differing(probabilities: Array, labels: Array) -> Check:
    """Each picture keeps its label: a quantised graph decides like the one that it was made from."""
    differing = np.count_nonzero(probabilities.argmax(axis=1) != labels)
    return require("labels_differing", np.array(differing), np.array(0), 0)


def verdicts_differing(strangeness: Array, exact: Array, most: float) -> Check:
    """Each picture stays on its side of the limit: no class is named of the same pictures."""
    differing = np.count_nonzero((strangeness > most) != (exact > most))
    return require("verdicts_differing", np.array(differing), np.array(0), 0)


def saliency_is_the_gradient(model: bytes, head: "Head", images: Array) -> tuple[Check, Check]:
    """The gradient and the saliency map of the graph equal finite differences through the published head.

    Two kinds of step are taken in the activations of each picture: single activations, whose slope is the
    gradient itself, and all activations of one cell in proportion, whose slope is that cell of HiResCAM
    (gradient times activation, summed over the channels) before it is clipped and scaled.
    """
    probe = open_session(_with_outputs(model, GRADIENT, head.features))
    gradients, slopes, maps, expected_maps = [], [], [], []
    for index in range(len(images)):
        answer = run(probe, images[index : index + 1])
        activations = answer[head.features][0].astype(np.float64)
        channels, height, width = activations.shape
        gradient = answer[GRADIENT].reshape(height, width, channels).transpose(2, 0, 1).astype(np.float64)
        largest = np.abs(gradient).max()
        predicted = int(answer["probabilities"].argmax())

        probed = _probed_activations(np.abs(gradient * activations).ravel())
        steps = np.zeros((len(probed), activations.size))
        steps[np.arange(len(probed)), probed] = 1
        gradients.append(gradient.ravel()[probed] / largest)
        slopes.append(head.slopes(activations, steps.reshape(-1, *activations.shape), predicted) / largest)

        one_cell = np.eye(height * width).reshape(-1, 1, height, width) * activations
        cells = np.maximum(head.slopes(activations, one_cell, predicted), 0).reshape(height, width)
        maps.append(answer["saliency"][0])
        expected_maps.append(cells / max(cells.max(), np.finfo(np.float32).tiny))
    return (
        require("gradient_as_finite_differences", np.stack(gradients), np.stack(slopes), GRADIENT_LIMIT),
        require("saliency_as_finite_differences", np.stack(maps), np.stack(expected_maps), SALIENCY_LIMIT),
    )


def _probed_activations(contributions: Array) -> Array:
    """Indices of the largest contributions, and of others at random, the same at each export."""
    order = np.argsort(contributions)
    others = np.random.default_rng(0).choice(order[:-_PROBED], _PROBED, replace=False)
    return np.concatenate([order[-_PROBED:], others])


class Head:
    """The dense head of a published graph in float64: activations in, logits out.

    Args:
        source: The serialised graph; its nodes are in topological order.
        features: Tensor of the activations, (N, channels, height, width), that all later nodes start from.
        logits: Tensor of the logits, (N, classes).
    """

    def __init__(self, source: bytes, features: str, logits: str) -> None:
        self.features = features
        graph = onnx.load_from_string(source).graph
        position = {output: index for index, node in enumerate(graph.node) for output in node.output}
        nodes = graph.node[position[features] + 1 : position[logits] + 1]
        used = {name for node in nodes for name in node.input}
        constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer if item.name in used}
        model = helper.make_model(
            helper.make_graph(
                nodes,
                "head",
                [helper.make_tensor_value_info(features, TensorProto.DOUBLE, None)],
                [helper.make_tensor_value_info(logits, TensorProto.DOUBLE, None)],
                [
                    numpy_helper.from_array(value.astype(np.float64) if value.dtype == np.float32 else value, name)
                    for name, value in constants.items()
                ],
            ),
            ir_version=7,
            opset_imports=[helper.make_opsetid("", 13)],
        )
        self._session = open_session(model.SerializeToString())

    def slopes(self, activations: Array, directions: Array, predicted: int) -> Array:
        """Central differences of one logit along each direction.

        Args:
            activations: (channels, height, width) float64, where the slopes are taken.
            directions: (K, channels, height, width) float64.
            predicted: Index of the class.

        Returns:
            (K,) float64: change of the logit per unit of each direction.
        """
        (ahead,) = run(self._session, activations + _STEP * directions).values()
        (behind,) = run(self._session, activations - _STEP * directions).values()
        difference: Array = (ahead - behind)[:, predicted] / (2 * _STEP)
        return difference


def _with_outputs(model: bytes, *tensors: str) -> bytes:
    """A copy of a graph that also gives the named float32 tensors."""
    copy = onnx.load_from_string(model)
    copy.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in tensors)
    extended: bytes = copy.SerializeToString()
    return extended
