"""The one stand-in for the inference server. tests/contract holds it to what the real Triton does."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from oncoserve.errors import DeadlineExceeded, InferenceFailed, InferenceUnavailable, ModelNotReady, PlatformError
from oncoserve.inference.backend import CanaryAnswer, ModelConfiguration, ModelState, Tensors, TensorSpec
from oncoserve.tasks.card import Card
from testbed.tiny_models import expected_probabilities

FP32: Final = np.dtype(np.float32)
UINT8: Final = np.dtype(np.uint8)
_COLOURS: Final = ("#d55e00", "#0072b2", "#009e73", "#cc79a7")

Call = tuple[str, str, Mapping[str, NDArray[Any]], tuple[str, ...], float]
"""What `infer` was called with: model, version, inputs, outputs, timeout_s."""


async def let_others_run() -> None:
    """Let every other task get as far as it can without a thread or the clock, however slow the machine is."""
    for _ in range(50):
        await asyncio.sleep(0)


def classifier(
    name: str = "tiny",
    classes: int = 3,
    size: tuple[int, int] = (8, 8),
    saliency: tuple[int, int] | None = None,
    max_batch_size: int = 4,
) -> ModelConfiguration:
    """The configuration of a classifier.

    Args:
        name: The model's name.
        classes: How many it tells apart.
        size: Height and width of its pictures in pixels; -1 is free.
        saliency: Height and width of its saliency map in cells; None for a model without one.
        max_batch_size: As in config.pbtxt.
    """
    outputs = [TensorSpec("probabilities", FP32, (classes,))]
    if saliency:
        outputs.append(TensorSpec("saliency", FP32, saliency))
    inputs = (TensorSpec("image", UINT8, (*size, 3)),)
    return ModelConfiguration(name, "1", "onnxruntime", max_batch_size, inputs, tuple(outputs))


def card(name: str = "tiny", classes: int = 3, saliency: object = None, **changes: object) -> Card:
    """The card of a classifier.

    Args:
        name: The model's name.
        classes: How many it tells apart.
        saliency: Whether the card describes a saliency map: anything true.
        changes: Other fields of the card than the usual ones.
    """
    fields: dict[str, object] = {
        "schema_version": 1,
        "name": name,
        "title": "Tiny",
        "task": "classification",
        "modality": "noise",
        "intended_use": "tests",
        "not_intended_for": [],
        "preprocessing": {"resize_filter": "bicubic", "background": "#000000"},
        "classes": [
            {"name": f"class{i}", "title": f"Class {i}", "colour": _COLOURS[i % 4], "description": ""}
            for i in range(classes)
        ],
        "origin": {"package": "tests", "version": "1", "file": "none", "sha256": "0" * 64, "licence": "MIT"},
        "performance": [],
        "limitations": [],
        "saliency": {"method": "m", "caption": "c", "figures": "f"} if saliency else None,
    }
    return Card.model_validate(fields | changes)


def write_card(repository: Path, made: Card) -> None:
    """Write a card, and a file that stands for the graph, into the repository's folder of that model."""
    folder = repository / made.name
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "card.json").write_text(made.model_dump_json())
    (folder / "1" / "model.onnx").write_bytes(made.name.encode())


class FakeBackend:
    """Classifiers as testbed/tiny_models.py makes them, without an ONNX Runtime.

    Args:
        configurations: The models; one usual classifier when there are none.

    Attributes:
        configurations: The models by name.
        reachable: False lets every call fail as if nobody listened.
        loaded: Names of the models that are ready.
        versions: Of each model that is ready.
        calls: What `infer` was called with, in order.
        gate: Answers wait until this is set; None lets them come at once.
        sick: What a canary gets, by the model's name; nothing wrong by default.
    """

    def __init__(self, *configurations: ModelConfiguration) -> None:
        self.configurations = {each.name: each for each in configurations or (classifier(),)}
        self.reachable = True
        self.loaded = set(self.configurations)
        self.versions: tuple[str, ...] = ("1",)
        self.calls: list[Call] = []
        self.gate: asyncio.Event | None = None
        self.sick: dict[str, PlatformError] = {}

    async def models(self) -> Sequence[ModelState]:
        """See the port."""
        self._require_reachable()
        return [ModelState(name, self.versions) for name in self.configurations if name in self.loaded]

    async def configuration(self, model: str, version: str) -> ModelConfiguration:
        """See the port."""
        self._require_ready(model, version or self.versions[-1])
        return replace(self.configurations[model], version=version)

    async def canary(
        self, model: ModelConfiguration, inputs: Mapping[str, NDArray[Any]], *, full: bool, timeout_s: float
    ) -> CanaryAnswer:
        """See the port. The gate does not hold it up."""
        del inputs, full, timeout_s
        self._require_ready(model.name, model.version)
        if model.name in self.sick:
            raise self.sick[model.name]
        return CanaryAnswer()

    async def infer(
        self, model: str, version: str, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str], timeout_s: float
    ) -> Tensors:
        """See the port."""
        self._require_ready(model, version)
        self.calls.append((model, version, inputs, tuple(outputs), timeout_s))
        if self.gate is not None:
            try:
                await asyncio.wait_for(self.gate.wait(), timeout_s)
            except TimeoutError:
                raise DeadlineExceeded(model, timeout_s) from None
        configuration = self.configurations[model]
        (spec,) = configuration.inputs
        image = inputs[spec.name]
        if image.shape[1:] != spec.dims or image.dtype != spec.dtype:
            raise InferenceFailed(model)
        dims = {each.name: each.dims for each in configuration.outputs}
        (classes,) = dims["probabilities"]
        answers = {"probabilities": expected_probabilities(image, classes)}
        if "saliency" in outputs:
            height, width = dims["saliency"]
            ramp = np.linspace(0, 1, height * width, dtype=np.float32).reshape(1, height, width)
            answers["saliency"] = np.repeat(ramp, len(image), axis=0)
        return {name: answers[name] for name in outputs}

    async def close(self) -> None:
        """See the port."""

    def _require_reachable(self) -> None:
        if not self.reachable:
            raise InferenceUnavailable

    def _require_ready(self, model: str, version: str) -> None:
        self._require_reachable()
        if model not in self.loaded or version not in self.versions:
            raise ModelNotReady(model, "not loaded")
