"""What was asked: the picture, the model and the parameters, and the name and the document that follow from them."""

import hashlib
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from oncoserve import NOTICE, __version__
from oncoserve.pictures.decode import read_header
from oncoserve.pictures.picture import Header, Picture
from oncoserve.prediction.scope import check_scope, outside
from oncoserve.results.evidence.evidence_renderings import evidence_files
from oncoserve.results.identity import result_id
from oncoserve.results.result_store import SOURCE, VALUES
from oncoserve.tasks.base import ServedModel, TaskResult
from oncoserve.tasks.parameters import PictureParameters


class Question:
    """One picture for one model.

    Args:
        model: what is asked.
        data: the picture, encoded, as it was sent.
        parameters: the task's.
    """

    def __init__(self, model: ServedModel, data: bytes, parameters: PictureParameters) -> None:
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

    @property
    def background(self) -> str:
        """What transparent pixels are laid over."""
        return self.model.card.preprocessing.background

    def header(self, max_pixels: int) -> Header:
        """What the picture says of itself, not decoded yet.

        Args:
            max_pixels: limit on width times height.

        Raises:
            OutOfScope: the model is not for it; and what `read_header` raises.
        """
        header = read_header(self.data, max_pixels, self.parameters.chosen)
        check_scope(self.model.card, header.scan)
        return header

    def document(self, found: TaskResult, picture: Picture, timings_ms: dict[str, float]) -> dict[str, Any]:
        """The JSON document of the result, as it is stored: `files` names what can be drawn, by its kind."""
        card = self.model.card
        warnings = [*picture.warnings, *outside(card, picture.scan), *found.warnings]
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
                "mm_per_px": picture.mm_per_px,
                "dicom": picture.scan and picture.scan.document(),
            },
            "timings_ms": timings_ms,
            "provenance": self._provenance(picture),
            "files": {
                **self.model.files,
                **evidence_files(self.model.task, card, found.document, picture.source),
            },
        }

    def files(self, found: TaskResult, picture: Picture) -> dict[str, bytes]:
        """What is stored beside the document and the picture."""
        more = {SOURCE: picture.source, VALUES: picture.values}
        return {**found.artefacts, **{name: data for name, data in more.items() if data is not None}}

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
            "parameters": self.parameters.asked(),
            "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "notice": NOTICE,
        }
