"""The one stand-in for the inference server. tests/contract holds it to what the real Triton does."""

import asyncio
from dataclasses import replace

import numpy as np

from oncoserve.errors import DeadlineExceeded, InferenceFailed, InferenceUnavailable, ModelNotReady
from oncoserve.inference.backend import ModelConfiguration, ModelState, TensorSpec
from oncoserve.tasks.card import Card
from testbed.tiny_models import expected_probabilities

FP32 = np.dtype(np.float32)
UINT8 = np.dtype(np.uint8)


async def let_others_run():
    """Let every other task get as far as it can without a thread or the clock, however slow the machine is."""
    for _ in range(50):
        await asyncio.sleep(0)


def classifier(name="tiny", classes=3, size=(8, 8), saliency=None, max_batch_size=4):
    outputs = [TensorSpec("probabilities", FP32, (classes,))]
    if saliency:
        outputs.append(TensorSpec("saliency", FP32, saliency))
    inputs = (TensorSpec("image", UINT8, (*size, 3)),)
    return ModelConfiguration(name, "1", "onnxruntime", max_batch_size, inputs, tuple(outputs))


def card(name="tiny", classes=3, saliency=None, **changes):
    colours = ["#d55e00", "#0072b2", "#009e73", "#cc79a7"]
    fields = {
        "schema_version": 1,
        "name": name,
        "title": "Tiny",
        "task": "classification",
        "modality": "noise",
        "intended_use": "tests",
        "not_intended_for": [],
        "preprocessing": {"resize_filter": "bicubic", "background": "#000000"},
        "classes": [
            {"name": f"class{i}", "title": f"Class {i}", "colour": colours[i % 4], "description": ""}
            for i in range(classes)
        ],
        "origin": {"package": "tests", "version": "1", "file": "none", "sha256": "0" * 64, "licence": "MIT"},
        "performance": [],
        "limitations": [],
        "saliency": {"method": "m", "caption": "c", "figures": "f"} if saliency else None,
    }
    return Card.model_validate(fields | changes)


def write_card(repository, made):
    folder = repository / made.name
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "card.json").write_text(made.model_dump_json())
    (folder / "1" / "model.onnx").write_bytes(made.name.encode())


class FakeBackend:
    """Classifiers as testbed/tiny_models.py makes them, without an ONNX Runtime."""

    def __init__(self, *configurations):
        self.configurations = {each.name: each for each in configurations or (classifier(),)}
        self.reachable = True
        self.loaded = set(self.configurations)
        self.versions = ("1",)
        self.calls = []
        self.gate = None  # an asyncio.Event that answers wait for

    def _check(self, model=None, version=None):
        if not self.reachable:
            raise InferenceUnavailable
        if model is not None and (model not in self.loaded or version not in self.versions):
            raise ModelNotReady(model, "not loaded")

    async def models(self):
        self._check()
        return [
            ModelState(name, self.versions) if name in self.loaded else ModelState(name, (), "not loaded")
            for name in self.configurations
        ]

    async def configuration(self, model, version):
        self._check(model, version)
        return replace(self.configurations[model], version=version)

    async def infer(self, model, version, inputs, outputs, timeout_s):
        self._check(model, version)
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
        (classes,) = configuration.output("probabilities").dims
        answers = {"probabilities": expected_probabilities(image, classes)}
        if "saliency" in outputs:
            height, width = configuration.output("saliency").dims
            ramp = np.linspace(0, 1, height * width, dtype=np.float32).reshape(1, height, width)
            answers["saliency"] = np.repeat(ramp, len(image), axis=0)
        return {name: answers[name] for name in outputs}

    async def close(self):
        pass
