"""What was asked: the picture, the model and the parameters, and the name and the document that follow from them."""

import hashlib
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from oncoserve import NOTICE, __version__
from oncoserve.pictures.decode import Picture
from oncoserve.results.identity import result_id
from oncoserve.tasks.base import Parameters, ServedModel, TaskResult


class Question:
    """One picture for one model.

    Args:
        model: what is asked.
        data: the picture, encoded, as it was sent.
        parameters: the task's.
    """

    def __init__(self, model: ServedModel, data: bytes, parameters: Parameters) -> None:
        self.model = model
        self.data = data
        self.parameters = parameters

    @cached_property
    def image_sha256(self) -> str:
        """Of the bytes as they were sent."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def id(self) -> str:
        """The result's id."""
        return result_id(self.image_sha256, self.model, self.parameters)

    def document(self, found: TaskResult, picture: Picture, timings_ms: dict[str, float]) -> dict[str, Any]:
        """The JSON document of the result, as it is stored: `files` names what can be drawn, by its kind."""
        card = self.model.card
        warnings = [*picture.warnings, *found.warnings]
        return {
            "id": self.id,
            "model": card.name,
            "version": self.model.version,
            "task": card.task,
            **found.document,
            "warnings": [{"code": each.code, "message": each.message} for each in warnings],
            "image": {
                "width": picture.width,
                "height": picture.height,
                "format": picture.format,
                "orientation": picture.orientation,
                "turned": picture.turned,
            },
            "timings_ms": timings_ms,
            "provenance": self._provenance(picture),
            "files": self.model.files,
        }

    def _provenance(self, picture: Picture) -> dict[str, Any]:
        weights = self.model.weights
        return {
            "model": self.model.name,
            "version": self.model.version,
            "model_sha256": self.model.model_sha256,
            "weights": {"package": weights.package, "sha256": weights.sha256},
            "code_version": __version__,
            "input_sha256": self.image_sha256,
            "reading": picture.reading.document(),
            "parameters": self.parameters.model_dump(mode="json"),
            "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "notice": NOTICE,
        }
