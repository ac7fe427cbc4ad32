"""One label for the whole picture, with a probability per class and, where the model gives one, a saliency map.

No label where the picture is none for the model, or where the model itself tells that it is too unlike what it knows.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oncoserve.errors import InferenceFailed
from oncoserve.inference.backend import ModelConfiguration, Tensors, TensorSpec
from oncoserve.pictures.picture import Picture
from oncoserve.tasks.base import OverlayOptions, Rendering, ServedModel, Stored, TaskResult
from oncoserve.tasks.card import Card, Labelling
from oncoserve.tasks.drawing.heat import draw_heat, heat_layer, stored_heat
from oncoserve.tasks.one_request import OneRequest
from oncoserve.tasks.parameters import Parameters, PictureParameters
from oncoserve.tasks.picture_fit import Fit
from oncoserve.tasks.plausibility import doubts
from oncoserve.tasks.undetermined import Undetermined, classes_close, unlike_training

PROBABILITIES = "probabilities"
SALIENCY = "saliency"
STRANGENESS = "strangeness"
SALIENCY_FILE = "saliency.npy"
SLACK: Final = 1e-3
"""By which float32 probabilities may miss what they add up to."""
NO_CLASS: Final[dict[str, Any]] = {"label": None, "probabilities": None}


def draw_overlay(stored: Stored, options: OverlayOptions) -> Image.Image:
    """Lay the saliency map over the picture; the stronger, the more opaque."""
    return draw_heat(stored, stored_heat(stored, SALIENCY_FILE), options)


class Classification(OneRequest):
    """The task `classification`: outputs `probabilities` (K,) and optionally `saliency` (h, w) and `strangeness` (1,).

    All are FP32. Saliency is in 0-1; strangeness grows with how unlike the training pictures a picture is.
    """

    kind: ClassVar[str] = "classification"
    parameters: ClassVar[type[PictureParameters]] = PictureParameters
    quick: ClassVar[bool] = True
    parts: ClassVar[frozenset[str]] = frozenset({"classification", "saliency", "resemblance"})
    all_renderings: ClassVar[tuple[Rendering, ...]] = (
        Rendering(
            "overlay.png",
            "image/png",
            "The picture under its saliency map",
            OverlayOptions,
            draw_overlay,
            layer=heat_layer(SALIENCY_FILE),
        ),
    )

    def limits(self, card: Card) -> Mapping[str, float]:
        """Of how unlike a picture may be, and of the probabilities, where the card has them."""
        strangeness = {} if card.resemblance is None else {"most_strangeness": card.resemblance.most_strangeness}
        return strangeness | (card.classification.limits if card.classification else {})

    def outputs(self, card: Card) -> frozenset[str]:
        """The probabilities, and what the card describes beside them."""
        described = {SALIENCY: card.saliency, STRANGENESS: card.resemblance}
        return frozenset({PROBABILITIES, *(name for name, part in described.items() if part)})

    def mismatches(self, card: Card, configuration: ModelConfiguration) -> list[str]:
        """Where card and configuration do not fit; see `Task`."""
        found = classifier_mismatches(card, configuration)
        saliency = configuration.output(SALIENCY)
        if (saliency is None) != (card.saliency is None):
            expected = "no output" if card.saliency is None else "an output"
            found.append(
                f"expected {expected} named {SALIENCY} (the card's saliency), got {in_words(configuration.outputs)}"
            )
        if card.saliency and card.preprocessing.fit != "stretch":
            found.append(f"card.json: expected fit stretch beside a saliency map, got {card.preprocessing.fit}")
        strangers = set(card.classification.thresholds if card.classification else ()) - {
            each.name for each in card.classes
        }
        if strangers:
            found.append(f"card.json: expected thresholds of its classes, got {', '.join(sorted(strangers))}")
        if card.resemblance:
            found += strangeness_mismatches(configuration)
        elif configuration.output(STRANGENESS):
            found.append(f"card.json: expected resemblance, the limit of output {STRANGENESS}, got none")
        return found

    def plan(self, picture: Picture, model: ServedModel, parameters: Parameters) -> "ClassificationPlan":
        """Start work on a picture; there are no parameters."""
        del parameters
        return ClassificationPlan(picture, model)

    def renderings(self, card: Card) -> tuple[Rendering, ...]:
        """The overlay, where the model gives a saliency map."""
        return self.all_renderings if card.saliency else ()


class ClassificationPlan:
    """One picture, one request; none where it is nothing that the model can answer about.

    Args:
        picture: the upload.
        model: what is asked.
    """

    count: int
    outputs: Sequence[str]

    def __init__(self, picture: Picture, model: ServedModel) -> None:
        read = model.task.outputs(model.card)
        self.outputs = [spec.name for spec in model.configuration.outputs if spec.name in read]
        self._picture = picture
        self._model = model
        self._answer: Tensors = {}
        self._labelling = model.card.classification or Labelling()
        self._doubts = doubts(picture, model.card.pictures)
        self.count = 0 if self._doubts else 1

    def requests(self) -> Iterator[Tensors]:
        """The picture at the model's size, as a batch of one: (1, h, w, 3) uint8 RGB."""
        if self._doubts:
            return
        spec = self._model.configuration.inputs[0]
        height, width, _ = spec.dims
        preprocessing, image = self._model.card.preprocessing, self._picture.image()
        fit = Fit.of(preprocessing, image.size, (width, height))
        yield {spec.name: np.ascontiguousarray(fit.lay(image, preprocessing))[np.newaxis]}

    def accept(self, index: int, answer: Tensors) -> None:
        """Take the one answer.

        Raises:
            InferenceFailed: shapes other than configured, or numbers that are no probabilities.
        """
        del index
        for name in self.outputs:
            spec = self._model.configuration.output(name)
            if spec is None or not spec.is_batch_of_one(answer[name]) or not np.isfinite(answer[name]).all():
                raise InferenceFailed(self._model.name)
        probabilities = answer[PROBABILITIES]
        if probabilities.shape != (1, len(self._model.card.classes)):
            raise InferenceFailed(self._model.name)
        whole = float(probabilities.max() if self._labelling.labels == "many" else probabilities.sum())
        too_much = whole > 1 + SLACK
        if probabilities.min() < 0 or too_much or (self._labelling.labels == "one" and whole < 1 - SLACK):
            raise InferenceFailed(self._model.name)
        self._answer = answer

    def result(self) -> TaskResult:
        """Label and probabilities by class name; neither where the picture is none for the model, and why."""
        if self._doubts:
            undetermined = Undetermined.of(self._doubts[0]).document()
            return TaskResult({**NO_CLASS, "undetermined": undetermined}, warnings=self._doubts)
        resemblance = self._model.card.resemblance
        if resemblance and (strange := self._unlike_training(resemblance.most_strangeness)):
            return TaskResult({**NO_CLASS, "undetermined": strange.document()})
        artefacts = {SALIENCY_FILE: to_npy(self._answer[SALIENCY][0])} if SALIENCY in self._answer else {}
        if self._labelling.labels == "many":
            return TaskResult({**self._all_named(), "undetermined": None}, artefacts)
        close = classes_close(round(float(self._answer[PROBABILITIES].max()), 6), self._labelling.least_probability)
        named = self._named() | ({"label": None} if close else {})
        return TaskResult({**named, "undetermined": close and close.document()}, artefacts)

    def _named(self) -> dict[str, Any]:
        """The most probable class, and the probability of each."""
        probabilities = self._answer[PROBABILITIES][0]
        label = self._model.card.classes[int(probabilities.argmax())].name
        return {"label": label, "probabilities": self._by_class(probabilities)}

    def _all_named(self) -> dict[str, Any]:
        """The classes that are there, the most probable of these, and the probability of each."""
        probabilities = self._by_class(self._answer[PROBABILITIES][0])
        labels = [name for name, value in probabilities.items() if value >= self._labelling.threshold(name)]
        label = max(labels, key=probabilities.__getitem__, default=None)
        return {"label": label, "labels": labels, "probabilities": probabilities}

    def _unlike_training(self, most: float) -> Undetermined | None:
        """Why no class is named, where the picture is beyond that limit."""
        return unlike_training(float(self._answer[STRANGENESS][0, 0]), most)

    def _by_class(self, probabilities: NDArray[np.float32]) -> dict[str, float]:
        classes = self._model.card.classes
        return {each.name: round(float(p), 6) for each, p in zip(classes, probabilities, strict=True)}


def classifier_mismatches(card: Card, configuration: ModelConfiguration) -> list[str]:
    """Where a model is none that takes one RGB picture and gives a probability for each of the card's classes."""
    found = image_mismatches(configuration)
    probabilities = TensorSpec(PROBABILITIES, np.dtype(np.float32), (len(card.classes),))
    if configuration.output(PROBABILITIES) not in (probabilities, replace(probabilities, dims=(-1,))):
        found.append(f"expected output {probabilities} (the card's classes), got {in_words(configuration.outputs)}")
    return found


def image_mismatches(configuration: ModelConfiguration) -> list[str]:
    """Where a model is none that takes one RGB picture of a fixed size."""
    found = []
    if configuration.max_batch_size < 1:
        found.append(f"expected max_batch_size of at least 1, got {configuration.max_batch_size}")
    if len(configuration.inputs) != 1 or not _is_image(configuration.inputs[0]):
        found.append(f"expected one input of uint8 [H, W, 3], got {in_words(configuration.inputs)}")
    return found


def strangeness_mismatches(configuration: ModelConfiguration) -> list[str]:
    """Where a model does not tell how unlike its training pictures a picture is."""
    expected = TensorSpec(STRANGENESS, np.dtype(np.float32), (1,))
    if configuration.output(STRANGENESS) == expected:
        return []
    return [f"expected output {expected}, got {in_words(configuration.outputs)}"]


def _is_image(spec: TensorSpec) -> bool:
    fixed = len(spec.dims) == 3 and min(spec.dims) > 0 and spec.dims[2] == 3  # noqa: PLR2004 - height, width, RGB
    return fixed and spec.dtype == np.uint8


def in_words(tensors: Sequence[TensorSpec]) -> str:
    """The tensors in words."""
    return ", ".join(map(str, tensors)) or "none"


def to_npy(array: NDArray[Any]) -> bytes:
    """An array as the bytes of an .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
