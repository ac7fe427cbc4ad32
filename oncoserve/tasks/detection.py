"""Boxes around what a picture shows, each with a class and a score, for any threshold."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydantic import Field

from oncoserve.errors import InferenceFailed
from oncoserve.inference.backend import ModelConfiguration, Tensors, TensorSpec
from oncoserve.pictures.decode import rgb_of
from oncoserve.pictures.picture import Picture
from oncoserve.tasks.base import (
    THRESHOLD,
    Layer,
    OverlayOptions,
    Rendering,
    RenderingOptions,
    ServedModel,
    Stored,
    TaskResult,
)
from oncoserve.tasks.card import Card
from oncoserve.tasks.card import Detection as Part
from oncoserve.tasks.classification import image_mismatches, in_words, to_npy
from oncoserve.tasks.detected import COLUMNS, best, read
from oncoserve.tasks.drawing.marks import strokes
from oncoserve.tasks.one_request import OneRequest
from oncoserve.tasks.parameters import Parameters, PictureParameters
from oncoserve.tasks.picture_fit import Fit
from oncoserve.tasks.plausibility import doubts
from oncoserve.tasks.regions.qupath import Classification, feature, members, object_uuid

BOXES, SCORES = "boxes", "scores"
BOXES_FILE: Final = "boxes.npy"
LAYER_SIDE: Final = 2048
"""Longer side of the viewer's layer, pixels."""
TEXT_SHARE: Final = 45  # of the longer side of the picture, the size of the words over a box
CORNERS = 4


class DetectionView(Parameters):
    """Which boxes are shown."""

    threshold: float | None = Field(default=None, ge=0, le=1, description=THRESHOLD)
    """Left out, the card's."""


class DetectionOverlayOptions(OverlayOptions, DetectionView):
    """How the overlay is drawn."""


class DetectionPolygonOptions(RenderingOptions, DetectionView):
    """Which boxes are written."""


def _part(card: Card) -> Part:
    assert card.detection is not None  # noqa: S101 - else the model would not be ready
    return card.detection


def _rows(stored: Stored) -> NDArray[np.float32]:
    return read(stored.files[BOXES_FILE])


def _shown(stored: Stored, threshold: float | None) -> NDArray[np.float32]:
    rows = _rows(stored)
    return rows[rows[:, 4] >= np.float32(settled(threshold, stored.card).threshold or 0)]


def _strengths(stored: Stored) -> NDArray[np.uint8]:
    """(h, w, 3) uint8: on the rim of a box the number of its class and its score, the best on top."""
    image = stored.document["image"]
    scale = min(1, LAYER_SIDE / max(image["width"], image["height"]))
    layer = Image.new("RGB", (max(1, round(image["width"] * scale)), max(1, round(image["height"] * scale))))
    draw, (_, line) = ImageDraw.Draw(layer), strokes({"width": layer.width, "height": layer.height}, (0, 0, 0), 1)
    for row in _rows(stored)[::-1]:
        score = min(255, int(row[4] * 255) + 1)  # as shown at a threshold of the score itself: "over" it
        draw.rectangle((row[:4] * scale).tolist(), outline=(int(row[5]) + 1, score, 0), width=2 * line.width)
    return np.asarray(layer)


def _legend(card: Card) -> dict[str, Any]:
    classes = [{"name": each.name, "title": each.title, "colour": each.colour} for each in card.classes]
    return {"classes": classes, "threshold": _part(card).threshold}


def draw_overlay(stored: Stored, options: DetectionOverlayOptions) -> Image.Image:
    """Draw the boxes over the picture, with their classes and scores."""
    image = stored.document["image"]
    size = image["width"], image["height"]
    layer = Image.new("RGBA", size, (0, 0, 0, 0))
    draw, font = ImageDraw.Draw(layer), ImageFont.load_default(max(10, max(size) / TEXT_SHARE))
    for row in _shown(stored, options.threshold)[::-1]:  # the best on top
        each, (left, top, right, bottom) = stored.card.classes[int(row[5])], row[:4].tolist()
        for stroke in strokes(image, rgb_of(each.colour), options.opacity):
            corners = (left - stroke.rim, top - stroke.rim, right + stroke.rim, bottom + stroke.rim)
            draw.rectangle(corners, outline=stroke.ink, width=stroke.width)
        words, ink = f"{each.title} {row[4]:.2f}", (*rgb_of(each.colour), round(255 * options.opacity))
        draw.text((left, top), words, fill=ink, font=font, anchor="lb", stroke_width=1, stroke_fill=(0, 0, 0, ink[3]))
    if options.base == "none":
        return layer
    base = stored.picture().image().convert("RGBA")
    base.alpha_composite(layer)
    return base.convert("RGB")


def write_polygons(stored: Stored, options: DetectionPolygonOptions) -> Iterator[str]:
    """GeoJSON as QuPath reads it: a rectangle for each box, in pixels of the ORIGINAL."""
    place, view = options.place(stored.document["image"]), settled(options.threshold, stored.card)
    identity = partial(object_uuid, stored.document["id"], view.model_dump_json())
    features = []
    for number, row in enumerate(_shown(stored, view.threshold), 1):
        each, (left, top, right, bottom) = stored.card.classes[int(row[5])], row[:4].tolist()
        ring = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        points = place.going(place.points(ring)).round(2).tolist()
        geometry, name = {"type": "Polygon", "coordinates": [[*points, points[0]]]}, f"{each.name}-{number}"
        score = {"Score": round(float(row[4]), 4)}
        features.append(feature(identity(name), geometry, name, Classification.of(each), score, "detection"))
    drawn_with = options.model_copy(update=view.model_dump())
    yield json.dumps({"type": "FeatureCollection", **members(stored, drawn_with), "features": features})


def settled(threshold: float | None, card: Card) -> DetectionView:
    """The view that is meant, in numbers."""
    return DetectionView(threshold=_part(card).threshold if threshold is None else threshold)


class Detection(OneRequest):
    """The task `detection`: outputs `boxes` (N, 4) and `scores` (N, K), both FP32.

    Boxes are left, top, right, bottom in pixels of the tensor; a row whose scores are 0 is no box. N may be open.
    """

    kind: ClassVar[str] = "detection"
    view: ClassVar[type[Parameters]] = DetectionView
    parameters: ClassVar[type[PictureParameters]] = PictureParameters
    parts: ClassVar[frozenset[str]] = frozenset({"detection"})
    all_renderings: ClassVar[tuple[Rendering, ...]] = (
        Rendering(
            "overlay.png",
            "image/png",
            "The picture under its boxes",
            DetectionOverlayOptions,
            draw_overlay,
            layer=Layer("strongest", _strengths, _legend),
        ),
        Rendering(
            "polygons.geojson",
            "application/geo+json",
            "The boxes as QuPath detections",
            DetectionPolygonOptions,
            write_polygons,
        ),
    )

    def limits(self, card: Card) -> Mapping[str, Any]:
        """How boxes are read, which the document hangs on."""
        return _part(card).model_dump(mode="json")

    def outputs(self, card: Card) -> frozenset[str]:
        """Both of them."""
        del card
        return frozenset({BOXES, SCORES})

    def mismatches(self, card: Card, configuration: ModelConfiguration) -> list[str]:
        """Where card and configuration do not fit; see `Task`."""
        found = image_mismatches(configuration)
        for name, columns in ((BOXES, CORNERS), (SCORES, len(card.classes))):
            output = configuration.output(name)
            if output is None or output.dtype != np.float32 or len(output.dims) != 2 or output.dims[1] != columns:  # noqa: PLR2004 - rows, columns
                found.append(f"expected output {name} float32 [N, {columns}], got {in_words(configuration.outputs)}")
        if card.detection is None:
            found.append("card.json: expected detection, got none")
        elif card.detection.floor > card.detection.threshold:
            found.append(f"card.json: expected a floor up to the threshold, got {card.detection}")
        return found

    def plan(self, picture: Picture, model: ServedModel, parameters: Parameters) -> "DetectionPlan":
        """Start work on a picture."""
        del parameters
        return DetectionPlan(picture, model)

    def settled(self, view: Any, card: Card) -> DetectionView:  # noqa: ANN401 - see `Task`
        """With the card's threshold, where none was given."""
        return settled(view.threshold, card)

    def review(self, stored: Stored, view: Any) -> dict[str, Any]:  # noqa: ANN401 - see `Task`
        """The boxes at another threshold."""
        threshold = settled(view.threshold, stored.card).threshold or 0
        return _fields(stored.card, _rows(stored), threshold)

    def finding(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """How many of each class, and from which score on."""
        return {name: document.get(name) for name in ("threshold", "counts")}


class DetectionPlan:
    """One picture, one request; or none, where the picture is none for the model."""

    outputs: Sequence[str] = (BOXES, SCORES)

    def __init__(self, picture: Picture, model: ServedModel) -> None:
        self._picture = picture
        self._model = model
        self._doubts = doubts(picture, model.card.pictures)
        self._rows = np.empty((0, COLUMNS), np.float32)
        spec: TensorSpec = model.configuration.inputs[0]
        self._name, (height, width, _) = spec.name, spec.dims
        self._fit = Fit.of(model.card.preprocessing, (picture.width, picture.height), (width, height))
        self.count = 0 if self._doubts else 1

    def requests(self) -> Iterator[Tensors]:
        """The picture at the model's size: (1, H, W, 3) uint8."""
        if self.count:
            pixels = self._fit.lay(self._picture.image(), self._model.card.preprocessing)
            yield {self._name: np.ascontiguousarray(pixels)[np.newaxis]}

    def accept(self, index: int, answer: Tensors) -> None:
        """Take the one answer.

        Raises:
            InferenceFailed: other shapes than configured, or numbers that are none.
        """
        del index
        boxes, scores = answer[BOXES], answer[SCORES]
        right = boxes.ndim == scores.ndim == CORNERS - 1 and boxes.shape == (1, scores.shape[1], CORNERS)
        if not right or scores.shape[::2] != (1, len(self._model.card.classes)):
            raise InferenceFailed(self._model.name)
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()) or (scores.size and scores.max() > 1 + 1e-3):
            raise InferenceFailed(self._model.name)
        self._rows = best(boxes[0], scores[0], _part(self._model.card), self._fit)

    def result(self) -> TaskResult:
        """The boxes at the card's threshold, and all that are kept for others."""
        fields = _fields(self._model.card, self._rows, _part(self._model.card).threshold)
        return TaskResult(fields, {BOXES_FILE: to_npy(self._rows)}, self._doubts)


def _fields(card: Card, rows: NDArray[np.float32], threshold: float) -> dict[str, Any]:
    shown = rows[rows[:, 4] >= np.float32(threshold)]
    names = [each.name for each in card.classes]
    counts = np.bincount(shown[:, 5].astype(int), minlength=len(names)).tolist()
    return {
        "threshold": threshold,
        "counts": dict(zip(names, counts, strict=True)),
        "boxes": [
            {
                "label": names[int(kind)],
                "score": round(score, 4),
                "x": round(left, 2),
                "y": round(top, 2),
                "width": round(right - left, 2),
                "height": round(bottom - top, 2),
            }
            for left, top, right, bottom, score, kind in shown.tolist()
        ],
    }
