"""Which class each pixel of a picture has: a mask, areas and polygons, for any threshold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from oncoserve.errors import AreaTooLarge, InferenceFailed
from oncoserve.inference.backend import ModelConfiguration, Tensors, TensorSpec
from oncoserve.pictures.picture import Header, Picture
from oncoserve.tasks.base import Demand, Rendering, ServedModel, Stored, TaskResult
from oncoserve.tasks.card import Card
from oncoserve.tasks.classification import image_mismatches, in_words
from oncoserve.tasks.maps.labels import Labels, Rule
from oncoserve.tasks.maps.layers import layer_of
from oncoserve.tasks.maps.map_renderings import (
    MaskOptions,
    PolygonOptions,
    SegmentationOverlayOptions,
    View,
    draw_mask,
    draw_overlay,
    labels_of,
    masks_of,
    objects_of,
    part_of,
    settled,
    write_polygons,
)
from oncoserve.tasks.maps.resolution import choose_um_per_px, tagged_um_per_px
from oncoserve.tasks.maps.stored_maps import MAPS_FILE, maps_of
from oncoserve.tasks.maps.tiles import Blender, turned, turned_back
from oncoserve.tasks.maps.whole_picture import Maps, Reading, prepare
from oncoserve.tasks.parameters import Parameters, PictureParameters
from oncoserve.tasks.plausibility import doubts
from oncoserve.tasks.tissue.glass import ANALYSIS_SIDE

PROBABILITIES = "probabilities"
TTA_ANSWERS = 4  # the quarters of a turn; `python -m loadtest.turning` compares with all eight directions
MAX_MODEL_PIXELS = 25_000_000  # 100 mm2 and 400 tiles of he_tissue
# What a pixel of the model grid takes, bytes, measured on three channels: while stains are separated, and from then
# until the maps are whole; while labels are drawn, and while they are outlined, when the model answers noise.
PLANNING_BYTES, MAPS_BYTES, CHANNEL_BYTES, LABELS_BYTES, OUTLINES_BYTES = 8, 5, 6, 20, 64
UM_PER_MM = 1000
ANALYSIS_BYTES = 64  # and a pixel of the picture that colours are analysed on


class SegmentationParameters(PictureParameters):
    """What the caller knows about the picture."""

    um_per_px: float | None = Field(default=None, gt=0, le=100_000, allow_inf_nan=False)
    """Micrometres per pixel of the ORIGINAL; left out, what the file says or the card assumes."""

    tta: bool = False
    """Whether each tile is asked about in four directions and the answers are averaged; four times the inference."""

    @property
    def answers(self) -> int:
        """Inference requests to a tile."""
        return TTA_ANSWERS if self.tta else 1


class Segmentation:
    """The task `segmentation`: (H, W, 3) uint8 in, `probabilities` (channels, H, W) uint8 out, 255 for certain."""

    kind: ClassVar[str] = "segmentation"
    parameters: ClassVar[type[PictureParameters]] = SegmentationParameters
    view: ClassVar[type[Parameters]] = View
    quick: ClassVar[bool] = False
    parts: ClassVar[frozenset[str]] = frozenset({"segmentation"})
    all_renderings: ClassVar[tuple[Rendering, ...]] = (
        Rendering(
            "overlay.png", "image/png", "The picture under its classes", SegmentationOverlayOptions, draw_overlay
        ),
        Rendering(
            "mask.png",
            "image/png",
            "One class per pixel, as a palette picture",
            MaskOptions,
            draw_mask,
            masks=masks_of,
        ),
        Rendering(
            "polygons.geojson",
            "application/geo+json",
            "The regions as QuPath objects",
            PolygonOptions,
            write_polygons,
            objects=objects_of,
        ),
    )

    def limits(self, card: Card) -> Mapping[str, Any]:
        """How maps are made and read, which the document hangs on."""
        return part_of(card).model_dump(mode="json", exclude={"headline"})

    def outputs(self, card: Card) -> frozenset[str]:
        """The only one."""
        del card
        return frozenset({PROBABILITIES})

    def mismatches(self, card: Card, configuration: ModelConfiguration) -> list[str]:
        """Where card and configuration do not fit; see `Task`."""
        try:
            channels = len(Rule.of(card).channels)
        except ValueError as error:
            return [str(error)]
        if found := image_mismatches(configuration):
            return found + _contradictions(card)
        side = configuration.inputs[0].dims[:2]
        expected = TensorSpec(PROBABILITIES, np.dtype(np.uint8), (channels, *side))
        if configuration.output(PROBABILITIES) != expected:
            found.append(f"expected output {expected} (the card's channels), got {in_words(configuration.outputs)}")
        tiles = part_of(card).tiles
        if tiles and max(tiles.overlap, tiles.margin) >= min(side):
            found.append(f"card.json: expected overlap and margin below the tile's {list(side)}, got {tiles}")
        return found + _contradictions(card)

    def demand(self, header: Header, model: ServedModel, parameters: SegmentationParameters) -> Demand:
        """All tiles of the grid: which of them hold tissue is known later."""
        reading, channels = reading_of(model), len(Rule.of(model.card).channels)
        um_per_px, _ = choose_um_per_px(reading.part, parameters.um_per_px, _stated(header))
        shape = _grid_shape(reading, header.height, header.width, um_per_px)
        pixels, grid = shape[0] * shape[1], reading.grid(shape)
        analysed = min(pixels, ANALYSIS_SIDE**2) if reading.part.steps else 0
        return Demand(
            len(grid.tops) * len(grid.lefts) * parameters.answers,
            PLANNING_BYTES * pixels + ANALYSIS_BYTES * analysed,
            (MAPS_BYTES + CHANNEL_BYTES * channels) * pixels,
        )

    def drawing_bytes(self, model: ServedModel, document: Mapping[str, Any], *, text: bool) -> int:
        """Of the labels, which follow from the maps."""
        image, um_per_px = document["image"], document["um_per_px"]
        rows, columns = reading_of(model).grid_shape((image["height"], image["width"]), um_per_px)
        return rows * columns * (OUTLINES_BYTES if text else LABELS_BYTES)

    def plan(self, picture: Picture, model: ServedModel, parameters: SegmentationParameters) -> "SegmentationPlan":
        """Bring the whole picture to the model's resolution."""
        return SegmentationPlan(picture, model, parameters)

    def renderings(self, card: Card) -> tuple[Rendering, ...]:
        """All of them."""
        overlay, *others = self.all_renderings
        return (replace(overlay, layer=layer_of(card)), *others)

    def settled(self, view: View, card: Card) -> View:
        """With the card's threshold, where none was given."""
        return settled(view.threshold, card)

    def review(self, stored: Stored, view: View) -> dict[str, Any]:
        """The areas at another threshold, and without the objects that are excluded there."""
        maps, view = maps_of(stored), settled(view.threshold, stored.card)
        excluded = stored.excluded(view)
        fields = _fields(stored.card, maps, labels_of(stored, maps, view.threshold), view.threshold or 0)
        return {**fields, "excluded": sorted(excluded)} if excluded else fields

    def finding(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The areas, and what they are for."""
        return {name: document.get(name) for name in ("um_per_px", "threshold", "areas")}


class SegmentationPlan:
    """One picture, a request per tile that is wanted, or one per direction of the tile."""

    outputs: Sequence[str] = (PROBABILITIES,)

    def __init__(self, picture: Picture, model: ServedModel, parameters: SegmentationParameters) -> None:
        reading, self._rule = reading_of(model), Rule.of(model.card)
        um_per_px, self._warnings = choose_um_per_px(reading.part, parameters.um_per_px, _stated(picture))
        _grid_shape(reading, picture.height, picture.width, um_per_px)
        found = doubts(picture, model.card.pictures)
        self._warnings += found
        self._prepared = prepare(picture.pixels, um_per_px, reading)
        if found:
            self._prepared = self._prepared.without_answer()
        self._answers = parameters.answers
        self._blender = Blender(self._prepared.grid, len(self._rule.channels), self._answers)
        self._model = model
        self.count = len(self._prepared.positions) * self._answers

    def requests(self) -> Iterator[Tensors]:
        """The tiles, each a batch of one: (1, H, W, 3) uint8."""
        name = self._model.configuration.inputs[0].name
        for tile in self._prepared.tiles():
            for direction in range(self._answers):
                yield {name: turned(tile.pixels, direction)[np.newaxis]}

    def accept(self, index: int, answer: Tensors) -> None:
        """Blend one tile's answer in.

        Raises:
            InferenceFailed: a shape other than configured.
        """
        probabilities: NDArray[np.uint8] = answer[PROBABILITIES]
        if probabilities.shape != (1, len(self._rule.channels), *self._prepared.grid.side):
            raise InferenceFailed(self._model.name)
        tile, direction = divmod(index, self._answers)
        upright = turned_back(probabilities[0].transpose(1, 2, 0), direction).transpose(2, 0, 1)
        self._blender.add(*self._prepared.positions[tile], upright)

    def result(self) -> TaskResult:
        """Areas at the card's threshold, and the maps that everything else is made from."""
        prepared, threshold = self._prepared, self._rule.threshold
        maps = prepared.maps(self._blender)
        fields = _fields(self._model.card, maps, maps.labels(self._rule, threshold), threshold)
        document = {"um_per_px": prepared.um_per_px, **fields}
        return TaskResult(document, {MAPS_FILE: maps.to_npy()}, (*self._warnings, *prepared.warnings))


def reading_of(model: ServedModel) -> Reading:
    """How the model sees pictures."""
    height, width, _ = model.configuration.inputs[0].dims
    return Reading(part_of(model.card), model.card.preprocessing, (height, width))


def _contradictions(card: Card) -> list[str]:
    """Where the card contradicts itself."""
    part, found = part_of(card), []
    if "stains" in part.steps and "glass" not in part.steps:
        found.append("card.json: expected the step glass beside stains, got stains alone")
    if part.steps and part.um_per_px is None:
        found.append("card.json: expected um_per_px for the steps of H&E, got none")
    if part.um_per_px is not None and part.tiles is None:
        found.append("card.json: expected tiles where um_per_px is fixed, got none: the whole picture is resized")
    if part.tiles is None and card.preprocessing.fit == "crop":
        found.append("card.json: expected fit stretch or letterbox, got crop: what is cut off would have no class")
    return found


def _stated(file: Header | Picture) -> float | None:
    """Micrometres per pixel, as a file says it."""
    mm_per_px = file.scan.spacing.mm if file.scan else None
    return tagged_um_per_px({"dpi": file.dpi}) if mm_per_px is None else UM_PER_MM * mm_per_px


def _grid_shape(reading: Reading, height: int, width: int, um_per_px: float | None) -> tuple[int, int]:
    """Rows and columns of the model grid.

    Raises:
        AreaTooLarge
    """
    rows, columns = reading.grid_shape((height, width), um_per_px)
    # A tile costs the same however little of it is picture: a strip one pixel high could ask for 98,000 of them.
    pixels = max(rows, reading.side[0]) * max(columns, reading.side[1])
    if pixels > MAX_MODEL_PIXELS:
        raise AreaTooLarge(um_per_px, pixels, MAX_MODEL_PIXELS)
    return rows, columns


def _fields(card: Card, maps: Maps, labels: Labels, threshold: float) -> dict[str, Any]:
    found = maps.areas(labels, Rule.of(card)).items()
    areas = {
        name: {
            "px": each.px,
            "mm2": None if each.mm2 is None else round(each.mm2, 6),
            "fraction": round(each.fraction, 6),
        }
        for name, each in found
    }
    return {"threshold": threshold, "areas": areas}
