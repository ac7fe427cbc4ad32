"""One label for the whole picture, and where the model sees the tumour: a heatmap, its peak and a box."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from oncoserve.errors import InferenceFailed
from oncoserve.inference.backend import ModelConfiguration, Tensors, TensorSpec
from oncoserve.pictures.decode import rgb_of
from oncoserve.pictures.picture import Picture
from oncoserve.pictures.rgb import Warn
from oncoserve.tasks.base import OverlayOptions, Rendering, RenderingOptions, ServedModel, Stored, TaskResult
from oncoserve.tasks.card import Card, ModelClass
from oncoserve.tasks.card import Localisation as Reading
from oncoserve.tasks.classification import (
    NO_CLASS,
    PROBABILITIES,
    ClassificationPlan,
    classifier_mismatches,
    in_words,
    to_npy,
)
from oncoserve.tasks.drawing.heat import draw_heat, heat_layer, stored_heat
from oncoserve.tasks.drawing.marks import draw_cross, strokes
from oncoserve.tasks.one_request import OneRequest
from oncoserve.tasks.parameters import Parameters, PictureParameters
from oncoserve.tasks.regions.boxes import Found, find
from oncoserve.tasks.regions.qupath import Classification, feature, members, object_uuid

HEATMAP = "heatmap"
BOXES = "boxes"
HEATMAP_FILE = "heatmap.npy"
NOWHERE: dict[str, Any] = {"certainty": 0.0, "box": None}  # what is drawn of a picture that got no answer


def draw_overlay(stored: Stored, options: OverlayOptions) -> Image.Image:
    """Lay the heatmap over the picture, with the box and a cross at the peak in the colour of the class."""
    mark = partial(_mark, stored=stored, opacity=options.opacity)
    return draw_heat(stored, stored_heat(stored, HEATMAP_FILE), options, mark)


def write_polygons(stored: Stored, options: RenderingOptions) -> Iterator[str]:
    """GeoJSON as QuPath reads it: the box and the peak, in pixels of the ORIGINAL."""
    found, place = stored.document["localisation"] or NOWHERE, options.place(stored.document["image"])
    features = []
    if found["box"]:
        left, top, right, bottom = _corners(found["box"])
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        ring = place.going(place.points(corners)).round(2).tolist()
        (peak,) = place.points(np.array([[found["peak"]["x"], found["peak"]["y"]]])).round(2).tolist()
        kind, certain = Classification.of(_tumour(stored)), {"Certainty": found["certainty"]}
        area = round(found["box"]["width"] * found["box"]["height"], 2)
        identity = partial(object_uuid, stored.document["id"], Parameters().model_dump_json())
        outline, point = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}, {"type": "Point", "coordinates": peak}
        features = [
            feature(identity("box"), outline, "Box", kind, {**certain, "Area px^2": area}),
            feature(identity("peak"), point, "Peak", kind, certain),
        ]
    yield json.dumps({"type": "FeatureCollection", **members(stored, options), "features": features})


class Localisation(OneRequest):
    """The task `localisation`: outputs `probabilities` (K,), `heatmap` (h, w) in 0-1 and `boxes` (h, w, 4), all FP32.

    A cell's four numbers are the left, top, right and bottom of the box that it proposes, in fractions of the picture.
    """

    kind: ClassVar[str] = "localisation"
    parameters: ClassVar[type[PictureParameters]] = PictureParameters
    parts: ClassVar[frozenset[str]] = frozenset({"localisation"})
    located: ClassVar[tuple[str, ...]] = ("certainty",)
    all_renderings: ClassVar[tuple[Rendering, ...]] = (
        Rendering(
            "overlay.png",
            "image/png",
            "The picture under its heatmap and box",
            OverlayOptions,
            draw_overlay,
            layer=heat_layer(HEATMAP_FILE),
        ),
        Rendering(
            "polygons.geojson",
            "application/geo+json",
            "The box as a QuPath annotation",
            RenderingOptions,
            write_polygons,
        ),
    )

    def outputs(self, card: Card) -> frozenset[str]:
        """All of them."""
        del card
        return frozenset({PROBABILITIES, HEATMAP, BOXES})

    def mismatches(self, card: Card, configuration: ModelConfiguration) -> list[str]:
        """Where card and configuration do not fit; see `Task`."""
        found = classifier_mismatches(card, configuration)
        heatmap, boxes = configuration.output(HEATMAP), configuration.output(BOXES)
        if heatmap is None or heatmap.dtype != np.float32 or len(heatmap.dims) != 2 or min(heatmap.dims) < 1:  # noqa: PLR2004 - rows, columns
            found.append(f"expected output {HEATMAP} float32 [h, w], got {in_words(configuration.outputs)}")
        elif boxes != (expected := TensorSpec(BOXES, heatmap.dtype, (*heatmap.dims, 4))):
            found.append(f"expected output {expected}, got {in_words(configuration.outputs)}")
        if card.localisation is None:
            found.append("card.json: expected localisation, got none")
        elif card.localisation.nothing not in (names := [each.name for each in card.classes]):
            found.append(f"card.json: expected localisation.nothing among {names}, got {card.localisation.nothing!r}")
        return found

    def plan(self, picture: Picture, model: ServedModel, parameters: Parameters) -> "LocalisationPlan":
        """Start work on a picture; there are no parameters."""
        del parameters
        return LocalisationPlan(picture, model)


class LocalisationPlan(ClassificationPlan):
    """One picture, one request; its label as in a classification."""

    def accept(self, index: int, answer: Tensors) -> None:
        """Take the one answer.

        Raises:
            InferenceFailed: shapes other than configured, or heat outside 0 to 1.
        """
        super().accept(index, answer)
        heatmap = answer[HEATMAP]
        if heatmap.min() < 0 or heatmap.max() > 1:
            raise InferenceFailed(self._model.name)

    def result(self) -> TaskResult:
        """Label and probabilities, the place of the most heat, and the heatmap in 0-255 for drawing."""
        if self._doubts:
            return TaskResult({**NO_CLASS, "localisation": None}, warnings=self._doubts)
        named = self._named()
        heatmap: NDArray[np.float32] = self._answer[HEATMAP][0]
        reading = self._model.card.localisation
        assert reading is not None  # noqa: S101 - else the model would not be ready
        spot = find(heatmap, self._answer[BOXES][0])
        certain = spot.certainty >= reading.least_certainty
        document = {**named, "localisation": self._in_pixels(spot, boxed=certain)}
        warnings = self._warnings(reading, named["label"], spot.certainty)
        return TaskResult(document, {HEATMAP_FILE: to_npy((heatmap * 255).round().astype(np.uint8))}, warnings)

    def _in_pixels(self, spot: Found, *, boxed: bool) -> dict[str, Any]:
        """The place in pixels of the ORIGINAL, upright."""
        width, height = self._picture.width, self._picture.height
        left, top, right, bottom = spot.box
        box = {
            "x": round(left * width, 2),
            "y": round(top * height, 2),
            "width": round((right - left) * width, 2),
            "height": round((bottom - top) * height, 2),
        }
        x, y = spot.peak
        return {
            "certainty": round(spot.certainty, 4),
            "peak": {"x": round(x * width, 2), "y": round(y * height, 2)},
            "box": box if boxed else None,
        }

    def _warnings(self, reading: Reading, label: str, certainty: float) -> tuple[Warn, ...]:
        found = []
        title = next(each.title for each in self._model.card.classes if each.name == label)
        least = reading.least_certainty
        if label == reading.nothing and certainty >= least:
            message = f"The class is {title}, yet the heatmap reaches {certainty:.2f} at its peak: the two disagree."
            found.append(Warn("heat_without_tumour", message))
        if label != reading.nothing and certainty < least:
            message = (
                f"The class is {title}, but the heatmap reaches only {certainty:.2f}, less than {least}: "
                "no box is given, and the class is doubtful."
            )
            found.append(Warn("tumour_not_located", message))
        return tuple(found)


def _mark(layer: Image.Image, first_row: int, stored: Stored, opacity: float) -> None:
    """Draw the box and a cross at the peak on the rows of the overlay from `first_row` on."""
    found = stored.document["localisation"] or NOWHERE
    if not found["box"]:
        return
    draw, peak = ImageDraw.Draw(layer), found["peak"]
    left, top, right, bottom = _corners(found["box"])
    top, bottom = top - first_row, bottom - first_row
    for stroke in strokes(stored.document["image"], rgb_of(_tumour(stored).colour), opacity):
        rim = stroke.rim
        draw.rectangle((left - rim, top - rim, right + rim, bottom + rim), outline=stroke.ink, width=stroke.width)
        draw_cross(draw, peak["x"], peak["y"] - first_row, stroke)


def _corners(box: dict[str, float]) -> tuple[float, float, float, float]:
    return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]


def _tumour(stored: Stored) -> ModelClass:
    """The most probable of the classes that are a tumour: what a box is of, if it is of anything."""
    nothing = stored.card.localisation.nothing if stored.card.localisation else None
    probabilities = stored.document["probabilities"]
    return max(
        (each for each in stored.card.classes if each.name != nothing), key=lambda each: probabilities[each.name]
    )
