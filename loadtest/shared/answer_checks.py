"""What the service says it serves, and whether an answer of it is right as far as a caller can tell."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

_ID: Final = re.compile("[0-9a-f]{32}")
_ROUNDING: Final = 0.001  # probabilities are given with six digits each
_FREE_SIDE: Final = 64  # for dimensions that the configuration leaves open


@dataclass(frozen=True)
class Tensor:
    """A tensor of a served model without its batch dimension; -1 is a free one."""

    name: str
    dtype: str
    dims: tuple[int, ...]


@dataclass(frozen=True)
class Model:
    """What callers have to know about a model, as GET /v1/models tells it."""

    name: str
    task: str
    classes: frozenset[str]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read one entry of GET /v1/models."""
        card, configuration = document["card"], document["configuration"]
        return cls(
            document["name"],
            card["task"],
            frozenset(each["name"] for each in card["classes"]),
            _tensors(configuration["inputs"]),
            _tensors(configuration["outputs"]),
        )

    def random_inputs(self, generator: np.random.Generator) -> dict[str, NDArray[np.uint8]]:
        """A batch of one for a call straight to Triton: (1, *dims) uint8 per input."""
        return {
            each.name: generator.integers(
                0, 256, (1, *(_FREE_SIDE if size < 0 else size for size in each.dims)), dtype=np.uint8
            )
            for each in self.inputs
        }


def upload_fault(body: str, cache_status: str, model: Model, expected: str) -> str:
    """Say what is wrong with the answer to an upload that got status 200; empty when nothing is.

    Args:
        body: Of the answer.
        cache_status: Its header Cache-Status, empty without one.
        model: The model that was asked.
        expected: "miss" for a picture that was never sent before, "hit" for one that was.
    """
    try:
        document = json.loads(body)
    except ValueError:
        return f"not JSON: {body[:100]!r}"
    wrong = fault(document, model)
    if wrong or expected in cache_status:
        return wrong
    return f"Cache-Status is {cache_status!r}, not a {expected}"


def fault(document: object, model: Model) -> str:
    """Say what is wrong with a result; empty when nothing is. No answer, however odd, raises."""
    if not isinstance(document, Mapping):
        return f"not a result: {document!r:.100}"
    try:
        return _result_fault(document, model)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        return f"not a result: {error!r}"


def _result_fault(document: Mapping[str, Any], model: Model) -> str:
    if not _ID.fullmatch(str(document.get("id"))):
        return f"id is {document.get('id')!r}"
    if document.get("model") != model.name:
        return f"model is {document.get('model')!r}"
    if model.task in {"classification", "localisation", "delineation"}:
        return _classification_fault(document, model) or _place_fault(document, model)
    areas = document.get("areas", {})
    if set(areas) != model.classes:
        return f"areas of {sorted(areas)}"
    fractions = [each["fraction"] for each in areas.values()]
    return "" if all(0 <= each <= 1 for each in fractions) else f"fractions are {fractions}"


def _classification_fault(document: Mapping[str, Any], model: Model) -> str:
    probabilities, undetermined = document.get("probabilities", {}), document.get("undetermined")
    if undetermined and undetermined["value"] is not None:
        return "" if document["label"] is None else f"undetermined, and yet the label is {document['label']!r}"
    if document.get("label") is None and probabilities is None:
        return f"no answer: {[each['code'] for each in document['warnings']]}"
    if set(probabilities) != model.classes:
        return f"probabilities of {sorted(probabilities)}"
    if not math.isclose(sum(probabilities.values()), 1, abs_tol=_ROUNDING):
        return f"probabilities add up to {sum(probabilities.values())}"
    if document.get("label") != max(probabilities, key=probabilities.__getitem__):
        return f"label is {document.get('label')!r}, not the likeliest class"
    return ""


def _place_fault(document: Mapping[str, Any], model: Model) -> str:
    """Of a model that points: the peak lies in the picture, and so does the box."""
    if model.task not in {"localisation", "delineation"} or (
        document.get("undetermined") and document["localisation"] is None
    ):
        return ""
    place, image = document.get("localisation", {}), document.get("image", {})
    peak, box = place.get("peak"), place.get("box")
    corners = [peak] if box is None else [peak, box, {"x": box["x"] + box["width"], "y": box["y"] + box["height"]}]
    for each in corners:
        if each is None or not (0 <= each["x"] <= image["width"] and 0 <= each["y"] <= image["height"]):
            return f"localisation is {place}"
    return ""


def tensor_fault(answer: NDArray[Any] | None, expected: Tensor) -> str:
    """Say what is wrong with a tensor that Triton answered; empty when nothing is."""
    if answer is None:
        return f"no {expected.name}"
    free = (size if known < 0 else known for size, known in zip(answer.shape[1:], expected.dims, strict=False))
    if answer.shape != (1, *free) or len(answer.shape) != len(expected.dims) + 1:
        return f"{expected.name} has the shape {answer.shape}"
    return "" if np.isfinite(answer).all() else f"{expected.name} is not finite"


def _tensors(entries: Sequence[Mapping[str, Any]]) -> tuple[Tensor, ...]:
    return tuple(Tensor(each["name"], each["dtype"], tuple(each["dims"])) for each in entries)
