"""One label for the whole picture, and the outline of what it is of; or no label, and the reason."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydantic import Field

from oncoserve.errors import InferenceFailed
from oncoserve.inference.backend import ModelConfiguration, Tensors
from oncoserve.pictures.picture import Picture
from oncoserve.pictures.rgb import Warn
from oncoserve.tasks.base import OverlayOptions, Rendering, RenderingOptions, ServedModel, Stored, TaskResult
from oncoserve.tasks.card import Card, ModelClass
from oncoserve.tasks.card import Delineation as Reading
from oncoserve.tasks.classification import (
    NO_CLASS,
    PROBABILITIES,
    STRANGENESS,
    ClassificationPlan,
    classifier_mismatches,
    in_words,
    strangeness_mismatches,
    to_npy,
)
from oncoserve.tasks.drawing.heat import draw_heat, heat_layer, stored_heat
from oncoserve.tasks.drawing.marks import draw_cross, strokes
from oncoserve.tasks.maps.labels import Labels
from oncoserve.tasks.one_request import OneRequest
from oncoserve.tasks.outline import Outline, cut
from oncoserve.tasks.parameters import Parameters, PictureParameters
from oncoserve.tasks.regions.components import Mask
from oncoserve.tasks.regions.geojson import Export, feature_collection
from oncoserve.tasks.regions.grids import at_original
from oncoserve.tasks.regions.pixel_size import pixel_size
from oncoserve.tasks.regions.qupath import Classification, feature, members, object_uuid
from oncoserve.tasks.regions.render import mask_image
from oncoserve.tasks.undetermined import Undetermined, classes_close, nothing_seen

MASK: Final = "mask"
MASK_FILE: Final = "mask.npy"
OUTLINED: Final = 1
"""The mask's value of what is outlined, whichever class it is; all else is 0."""
GREY: Final = (128, 128, 128)
"""Of an outline whose class is not determined."""
NOWHERE: Final[dict[str, Any]] = {"outline": []}  # what is drawn of a picture that got no answer


class DelineationParameters(PictureParameters):
    """What the caller knows about the picture."""

    mm_per_px: float | None = Field(
        default=None,
        gt=0,
        le=1000,
        allow_inf_nan=False,
        description="Millimetres per pixel of the picture as it is sent, the same in both directions, in the range of "
        "the model's card. A DICOM file says it itself; without either no result is in millimetres. What a PNG or JPEG "
        "says of its resolution is not believed: it is that of a screen.",
    )
    """Millimetres per pixel of the ORIGINAL."""


def draw_overlay(stored: Stored, options: OverlayOptions) -> Image.Image:
    """Lay the mask's probabilities over the picture, with the outline and a cross at the peak in the class's colour."""
    mark = partial(_mark, stored=stored, opacity=options.opacity)
    return draw_heat(stored, stored_heat(stored, MASK_FILE), options, mark)


def draw_mask(stored: Stored, options: RenderingOptions) -> Image.Image:
    """Palette picture of the ORIGINAL's size: 0 background, 1 what is outlined."""
    del options
    image = stored.document["image"]
    return mask_image(
        _labels(stored), (image["height"], image["width"]), {0: (0, 0, 0), OUTLINED: _class_of(stored).colour}
    )


def masks_of(stored: Stored, options: Parameters) -> list[tuple[ModelClass, Mask]]:
    """What is outlined, on the ORIGINAL's pixels, as the class that is named or as what is outlined in general."""
    del options
    image, kind = stored.document["image"], _class_of(stored)
    mask = at_original(_labels(stored), (image["height"], image["width"])) == OUTLINED
    named = next((each for each in stored.card.classes if each.name == kind.key), None)
    code = _reading(stored.card).outlined_code
    unnamed = ModelClass(name="undetermined", title=kind.name, colour="#808080", description="", code=code)
    return [(named or unnamed, mask)] if mask.any() else []


def write_polygons(stored: Stored, options: RenderingOptions) -> Iterator[str]:
    """GeoJSON as QuPath reads it: the regions and the peak, in pixels of the ORIGINAL."""
    found, place = stored.document["localisation"] or NOWHERE, options.place(stored.document["image"])
    identity = partial(object_uuid, stored.document["id"], Parameters().model_dump_json())
    kind, mm_per_px = _class_of(stored), stored.document["mm_per_px"]
    certain, peak = {}, []
    if found["outline"]:
        certain = {"Certainty": found["certainty"]}
        (point,) = place.points(np.array([[found["peak"]["x"], found["peak"]["y"]]])).round(2).tolist()
        peak = [feature(identity("peak"), {"type": "Point", "coordinates": point}, "Peak", kind, certain)]
    export = Export(
        "annotations",
        um_per_px=None if mm_per_px is None else 1000 * mm_per_px,
        members=members(stored, options, mm_per_px=mm_per_px),
        identity=identity,
        measurements=certain,
        beside=peak,
    )
    labels = Labels(_labels(stored)).for_objects((place.height, place.width))
    return feature_collection(labels, place, {OUTLINED: kind}, export)


def _labels(stored: Stored) -> NDArray[np.uint8]:
    """(h, w) uint8 on a grid over the picture; nothing where the result has no outline."""
    image, found = stored.document["image"], stored.document["localisation"] or NOWHERE
    if not found["outline"]:
        return np.zeros((1, 1), np.uint8)
    return cut(stored_heat(stored, MASK_FILE), (image["width"], image["height"]), found["least_mask"]).astype(np.uint8)


def _class_of(stored: Stored) -> Classification:
    label = stored.document["label"]
    named = next((Classification.of(each) for each in stored.card.classes if each.name == label), None)
    return named or _unnamed(_reading(stored.card).outlined)


def _unnamed(outlined: str) -> Classification:
    return Classification(f"{outlined[0].upper()}{outlined[1:]}, kind undetermined", GREY, outlined)


def _reading(card: Card) -> Reading:
    assert card.delineation is not None  # noqa: S101 - else the model would not be ready
    return card.delineation


class Delineation(OneRequest):
    """The task `delineation`: outputs `probabilities` (K,) and `mask` (h, w) in 0-1, both FP32.

    The mask's cells tile the picture. Where the card limits it there is `strangeness` (1,) FP32, too, which grows with
    how unlike the training pictures a picture is.
    """

    kind: ClassVar[str] = "delineation"
    parameters: ClassVar[type[PictureParameters]] = DelineationParameters
    parts: ClassVar[frozenset[str]] = frozenset({"delineation"})
    located: ClassVar[tuple[str, ...]] = (
        "certainty",
        "area_px",
        "area_mm2",
        "longest_diameter_px",
        "longest_diameter_mm",
    )
    all_renderings: ClassVar[tuple[Rendering, ...]] = (
        Rendering(
            "overlay.png",
            "image/png",
            "The picture under what the model sees, with its outline",
            OverlayOptions,
            draw_overlay,
            layer=heat_layer(MASK_FILE),
        ),
        Rendering("mask.png", "image/png", "The outlined, as palette", RenderingOptions, draw_mask, masks=masks_of),
        Rendering(
            "polygons.geojson",
            "application/geo+json",
            "The outline as QuPath annotations",
            RenderingOptions,
            write_polygons,
        ),
    )

    def limits(self, card: Card) -> Mapping[str, float]:
        """Of the mask, of the classes, and of how unlike a picture may be."""
        return _reading(card).limits

    def outputs(self, card: Card) -> frozenset[str]:
        """Probabilities, the mask, and what the card limits beside them."""
        limited = card.delineation is not None and card.delineation.most_strangeness is not None
        return frozenset({PROBABILITIES, MASK, *([STRANGENESS] if limited else [])})

    def mismatches(self, card: Card, configuration: ModelConfiguration) -> list[str]:
        """Where card and configuration do not fit; see `Task`."""
        found = classifier_mismatches(card, configuration)
        mask = configuration.output(MASK)
        if mask is None or mask.dtype != np.float32 or len(mask.dims) != 2 or min(mask.dims) < 1:  # noqa: PLR2004 - rows, columns
            found.append(f"expected output {MASK} float32 [h, w], got {in_words(configuration.outputs)}")
        if card.delineation is None:
            found.append("card.json: expected delineation, got none")
        if card.preprocessing.fit != "stretch":
            found.append(f"card.json: expected fit stretch beside a mask, got {card.preprocessing.fit}")
        if STRANGENESS in self.outputs(card):
            found += strangeness_mismatches(configuration)
        elif card.delineation and configuration.output(STRANGENESS):
            found.append(f"card.json: expected most_strangeness, the limit of output {STRANGENESS}, got none")
        return found

    def plan(self, picture: Picture, model: ServedModel, parameters: DelineationParameters) -> "DelineationPlan":
        """Start work on a picture.

        Raises:
            InvalidParameter: its pixels are of another size than the model is for.
        """
        bounds = _reading(model.card).mm_per_px_range
        mm_per_px, odd = pixel_size(parameters.mm_per_px, picture.mm_per_px, bounds)
        return DelineationPlan(picture, model, mm_per_px, odd)


class DelineationPlan(ClassificationPlan):
    """One picture, one request.

    Args:
        picture: the upload.
        model: what is asked.
        mm_per_px: millimetres per pixel of the ORIGINAL, where they are known.
        odd: what is odd about these.
    """

    def __init__(
        self, picture: Picture, model: ServedModel, mm_per_px: float | None, odd: tuple[Warn, ...] = ()
    ) -> None:
        super().__init__(picture, model)
        self._mm_per_px = mm_per_px
        self._odd = odd

    def accept(self, index: int, answer: Tensors) -> None:
        """Take the one answer.

        Raises:
            InferenceFailed: shapes other than configured, or a mask outside 0 to 1.
        """
        super().accept(index, answer)
        if answer[MASK].min() < 0 or answer[MASK].max() > 1:
            raise InferenceFailed(self._model.name)

    def result(self) -> TaskResult:
        """Label, probabilities and outline, as far as the evidence goes; why it goes no further; the mask."""
        found = self._found()
        return replace(found, warnings=(*self._odd, *found.warnings))

    def _found(self) -> TaskResult:
        if self._doubts:
            return TaskResult(self._document(Undetermined.of(self._doubts[0])), warnings=self._doubts)
        reading = _reading(self._model.card)
        # As it is stored, so that what is drawn later is what was measured.
        mask = self._answer[MASK][0].astype(np.float16)
        most = reading.most_strangeness
        if most is not None and (strange := self._unlike_training(most)):
            return TaskResult(self._document(strange))
        size = self._picture.width, self._picture.height
        if unseen := nothing_seen(float(mask.max()), reading.least_seen, reading.outlined):
            document = self._document(unseen, Outline.nothing(mask, size, reading.least_mask))
            return TaskResult(document, {MASK_FILE: to_npy(mask)})
        outline = Outline.of(mask, size, reading.least_mask)
        close = classes_close(float(self._answer[PROBABILITIES].max()), reading.least_probability)
        document = self._document(close, outline, with_probabilities=True)
        return TaskResult(document, {MASK_FILE: to_npy(mask)}, _warnings(outline, reading))

    def _document(
        self, undetermined: Undetermined | None, outline: Outline | None = None, *, with_probabilities: bool = False
    ) -> dict[str, Any]:
        named = self._named() if with_probabilities else NO_CLASS
        return {
            **(named if undetermined is None else {**named, "label": None}),
            "undetermined": undetermined and undetermined.document(),
            "mm_per_px": self._mm_per_px,
            "localisation": outline and outline.document(self._mm_per_px),
        }


def _warnings(outline: Outline, reading: Reading) -> tuple[Warn, ...]:
    if not outline.polygons:
        message = (
            f"The mask reaches {outline.certainty:.2f} at its peak, but no pixel of the picture has the "
            f"{reading.least_mask:g} that belongs to an outline: nothing is outlined, and the class is doubtful."
        )
        return (Warn("tumour_not_located", message),)
    if len(outline.polygons) == 1:
        return ()
    message = (
        f"The outline has {len(outline.polygons)} separate regions; box and longest diameter are those of the one with "
        "the peak, the area is that of all."
    )
    return (Warn("several_regions", message),)


def _mark(layer: Image.Image, first_row: int, stored: Stored, opacity: float) -> None:
    """Draw the outline and a cross at the peak on the rows of the overlay from `first_row` on."""
    found = stored.document["localisation"] or NOWHERE
    if not found["outline"]:
        return
    draw, peak = ImageDraw.Draw(layer), found["peak"]
    rings = [[(x, y - first_row) for x, y in ring] for polygon in found["outline"] for ring in polygon]
    for stroke in strokes(stored.document["image"], _class_of(stored).colour, opacity):
        for ring in rings:
            draw.line(ring, fill=stroke.ink, width=stroke.width)
        draw_cross(draw, peak["x"], peak["y"] - first_row, stroke)
