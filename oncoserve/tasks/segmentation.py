"""Which part of an H&E picture is lumen, epithelium or other tissue: a mask, areas and polygons."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from oncoserve.errors import AreaTooLarge, InferenceFailed
from oncoserve.inference.backend import ModelConfiguration, Tensors, TensorSpec
from oncoserve.pictures.decode import Header, Picture, rgb_of
from oncoserve.tasks.base import (
    Demand,
    Layer,
    OverlayOptions,
    Parameters,
    Rendering,
    RenderingOptions,
    ServedModel,
    Stored,
    TaskResult,
)
from oncoserve.tasks.card import Card
from oncoserve.tasks.plausibility import doubts
from oncoserve.tasks.qupath import Classification, members, object_uuid
from oncoserve.tasks.regions.geojson import Export, feature_collection
from oncoserve.tasks.regions.grids import object_grid
from oncoserve.tasks.regions.render import layer_image, mask_image, overlay_image
from oncoserve.tasks.tissue.glass import ANALYSIS_SIDE, GLASS, WHITE
from oncoserve.tasks.tissue.labels import CLASS_VALUES, DEFAULT_THRESHOLD, View
from oncoserve.tasks.tissue.objects import PolygonOptions, object_ids, without
from oncoserve.tasks.tissue.resolution import (
    RESOLUTION_ASSUMED,
    UM_PER_PX_RANGE,
    choose_um_per_px,
    model_shape,
    tagged_um_per_px,
)
from oncoserve.tasks.tissue.tiles import CLASSES, SIDE, Grid, turned, turned_back
from oncoserve.tasks.tissue.whole_picture import Segmentation as Maps
from oncoserve.tasks.tissue.whole_picture import prepare

PROBABILITIES = "probabilities"
MAPS_FILE = "maps.npy"
TTA_ANSWERS = 4  # the quarters of a turn; `python -m loadtest.turning` compares with all eight directions
MAX_MODEL_PIXELS = 25_000_000  # 100 mm2 and 400 tiles
# What a pixel of the model grid takes, bytes, measured: while stains are separated, and from then until the maps are
# whole; while labels are drawn, and while they are outlined, when the model answers noise.
PLANNING_BYTES, MAPS_BYTES, LABELS_BYTES, OUTLINES_BYTES = 8, 23, 20, 64
ANALYSIS_BYTES = 64  # and a pixel of the picture that colours are analysed on

TILE = TensorSpec("stains", np.dtype(np.uint8), (SIDE, SIDE, CLASSES))
ANSWER = TensorSpec(PROBABILITIES, np.dtype(np.uint8), (CLASSES, SIDE, SIDE))


class TissueParameters(Parameters):
    """What the caller knows about the picture."""

    um_per_px: float | None = Field(default=None, ge=UM_PER_PX_RANGE[0], le=UM_PER_PX_RANGE[1])
    """Micrometres per pixel of the ORIGINAL; left out, what the file says or 0.5."""

    tta: bool = False
    """Whether each tile is asked about in four directions and the answers are averaged; four times the inference."""

    @property
    def answers(self) -> int:
        """Inference requests to a tile."""
        return TTA_ANSWERS if self.tta else 1


class TissueOverlayOptions(OverlayOptions, View):
    """How the overlay is drawn."""


class MaskOptions(RenderingOptions, View):
    """How the mask is drawn."""


def draw_overlay(stored: Stored, options: TissueOverlayOptions) -> Image.Image:
    """Lay the classes in the card's colours over the picture."""
    maps, colours = _maps(stored), _colours(stored.card)
    labels = _labels(stored, maps, options.threshold)
    if options.base == "none":
        return layer_image(labels, maps.shape, colours, options.opacity)
    return overlay_image(labels, stored.picture().pixels, colours, options.opacity)


def draw_mask(stored: Stored, options: MaskOptions) -> Image.Image:
    """Palette picture of the ORIGINAL's size: 0 background, 1 lumen, 2 epithelium, 3 other tissue."""
    maps = _maps(stored)
    return mask_image(_labels(stored, maps, options.threshold), maps.shape, {0: (0, 0, 0), **_colours(stored.card)})


def write_polygons(stored: Stored, options: PolygonOptions) -> Iterator[str]:
    """GeoJSON as QuPath reads it, in pixels of the ORIGINAL."""
    maps, view = _maps(stored), View(threshold=options.threshold)
    classes = {CLASS_VALUES[each.name]: Classification.of(each) for each in stored.card.classes}
    assumed = any(each["code"] == RESOLUTION_ASSUMED for each in stored.document["warnings"])
    export = Export(
        options.objects,
        stored.excluded(view),
        options.excluded == "ignore",
        None if assumed else maps.um_per_px,
        members(stored, options, um_per_px=maps.um_per_px),
        partial(object_uuid, stored.document["id"], view.model_dump_json()),
    )
    return feature_collection(maps.labels(options.threshold), options.place(stored.document["image"]), classes, export)


def _objects(stored: Stored, options: View) -> set[str]:
    maps = _maps(stored)
    return object_ids(object_grid(maps.labels(options.threshold), maps.shape))


def _strengths(stored: Stored) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 on the model grid, a channel a class, so that the first over a threshold is what `label` says."""
    maps = _maps(stored)
    strengths = np.where(maps.probabilities > maps.probabilities[..., 2:], maps.probabilities, np.uint8(0))
    strengths[..., 2] = np.where(maps.regions == WHITE, np.uint8(0), np.uint8(255))
    strengths[maps.regions == GLASS] = 0
    return strengths


def _legend(card: Card) -> dict[str, Any]:
    classes = [{"name": each.name, "title": each.title, "colour": each.colour} for each in card.classes]
    return {"classes": classes, "threshold": DEFAULT_THRESHOLD}


class Segmentation:
    """The task `segmentation`: tiles of `stains` uint8 in, `probabilities` uint8 out, put together to a whole."""

    kind: ClassVar[str] = "segmentation"
    parameters: ClassVar[type[Parameters]] = TissueParameters
    view: ClassVar[type[Parameters]] = View
    parts: ClassVar[frozenset[str]] = frozenset()
    all_renderings: ClassVar[tuple[Rendering, ...]] = (
        Rendering(
            "overlay.png",
            "image/png",
            "The picture under its classes",
            TissueOverlayOptions,
            draw_overlay,
            layer=Layer("classes", _strengths, _legend),
        ),
        Rendering("mask.png", "image/png", "One class per pixel, as a palette picture", MaskOptions, draw_mask),
        Rendering(
            "polygons.geojson",
            "application/geo+json",
            "The regions as QuPath objects",
            PolygonOptions,
            write_polygons,
            objects=_objects,
        ),
    )

    def limits(self, card: Card) -> Mapping[str, float]:
        """None."""
        del card
        return {}

    def outputs(self, card: Card) -> frozenset[str]:
        """The only one."""
        del card
        return frozenset({PROBABILITIES})

    def mismatches(self, card: Card, configuration: ModelConfiguration) -> list[str]:
        """Where card and configuration do not fit; see `Task`."""
        found = []
        if configuration.max_batch_size < 1:
            found.append(f"expected max_batch_size of at least 1, got {configuration.max_batch_size}")
        for expected, got in ((TILE, configuration.inputs), (ANSWER, configuration.outputs)):
            if got != (expected,):
                found.append(f"expected {expected}, got {', '.join(map(str, got)) or 'none'}")
        names = [each.name for each in card.classes]
        if names != list(CLASS_VALUES):
            found.append(f"card.json: expected classes {list(CLASS_VALUES)}, got {names}")
        return found

    def demand(self, header: Header, parameters: TissueParameters) -> Demand:
        """All tiles of the grid: which of them hold tissue is known later."""
        um_per_px, _ = choose_um_per_px(parameters.um_per_px, tagged_um_per_px({"dpi": header.dpi}))
        shape = _model_shape(header.height, header.width, um_per_px)
        pixels, grid = shape[0] * shape[1], Grid.over(shape)
        analysed = min(pixels, ANALYSIS_SIDE**2)
        return Demand(
            len(grid.tops) * len(grid.lefts) * parameters.answers,
            PLANNING_BYTES * pixels + ANALYSIS_BYTES * analysed,
            MAPS_BYTES * pixels,
        )

    def drawing_bytes(self, document: Mapping[str, Any], *, text: bool) -> int:
        """Of the labels, which follow from the maps."""
        image = document["image"]
        rows, columns = model_shape((image["height"], image["width"]), document["um_per_px"])
        return rows * columns * (OUTLINES_BYTES if text else LABELS_BYTES)

    def plan(self, picture: Picture, model: ServedModel, parameters: TissueParameters) -> "SegmentationPlan":
        """Find tissue and stains in the whole picture."""
        return SegmentationPlan(picture, model, parameters)

    def renderings(self, card: Card) -> tuple[Rendering, ...]:
        """All of them."""
        del card
        return self.all_renderings

    def review(self, stored: Stored, view: View) -> dict[str, Any]:
        """The areas at another threshold, and without the objects that are excluded there."""
        maps, excluded = _maps(stored), stored.excluded(view)
        fields = _fields(maps, _labels(stored, maps, view.threshold), view.threshold)
        return {**fields, "excluded": sorted(excluded)} if excluded else fields

    def finding(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The areas, and what they are for."""
        return {name: document.get(name) for name in ("um_per_px", "threshold", "areas")}


class SegmentationPlan:
    """One picture, a request per tile that holds tissue, or one per direction of the tile."""

    outputs: Sequence[str] = (PROBABILITIES,)

    def __init__(self, picture: Picture, model: ServedModel, parameters: TissueParameters) -> None:
        tagged = tagged_um_per_px({"dpi": picture.dpi})
        um_per_px, self._warnings = choose_um_per_px(parameters.um_per_px, tagged)
        _model_shape(picture.height, picture.width, um_per_px)
        found = doubts(picture, model.card.pictures)
        self._warnings += found
        self._prepared = prepare(picture.pixels, um_per_px)
        if found:
            self._prepared = self._prepared.without_tissue()
        self._answers = parameters.answers
        self._blender = self._prepared.blender(self._answers)
        self._model = model
        self.count = len(self._prepared.positions) * self._answers

    def requests(self) -> Iterator[Tensors]:
        """The tiles, each a batch of one: (1, 512, 512, 3) uint8."""
        for tile in self._prepared.tiles():
            for direction in range(self._answers):
                yield {TILE.name: turned(tile.stains, direction)[np.newaxis]}

    def accept(self, index: int, answer: Tensors) -> None:
        """Blend one tile's answer in.

        Raises:
            InferenceFailed: a shape other than configured.
        """
        probabilities: NDArray[np.uint8] = answer[PROBABILITIES]
        if probabilities.shape != (1, *ANSWER.dims):
            raise InferenceFailed(self._model.name)
        tile, direction = divmod(index, self._answers)
        upright = turned_back(probabilities[0].transpose(1, 2, 0), direction).transpose(2, 0, 1)
        self._blender.add(*self._prepared.positions[tile], upright)

    def result(self) -> TaskResult:
        """Areas at the default threshold, and the maps that everything else is made from."""
        prepared = self._prepared
        maps = Maps(prepared.shape, prepared.um_per_px, self._blender.finish(), prepared.regions)
        fields = _fields(maps, maps.labels(DEFAULT_THRESHOLD), DEFAULT_THRESHOLD)
        document = {"um_per_px": prepared.um_per_px, **fields}
        return TaskResult(document, {MAPS_FILE: maps.to_npy()}, (*self._warnings, *prepared.warnings))


def _model_shape(height: int, width: int, um_per_px: float) -> tuple[int, int]:
    """Rows and columns of the model grid.

    Raises:
        AreaTooLarge
    """
    rows, columns = model_shape((height, width), um_per_px)
    # A tile costs the same however little of it is picture: a strip one pixel high could ask for 98,000 of them.
    pixels = max(rows, SIDE) * max(columns, SIDE)
    if pixels > MAX_MODEL_PIXELS:
        raise AreaTooLarge(um_per_px, pixels, MAX_MODEL_PIXELS)
    return rows, columns


def _labels(stored: Stored, maps: Maps, threshold: float) -> NDArray[np.uint8]:
    """The labels at a threshold, without the objects that are excluded there."""
    labels, excluded = maps.labels(threshold), stored.excluded(View(threshold=threshold))
    return without(object_grid(labels, maps.shape), excluded) if excluded else labels


def _fields(maps: Maps, labels: NDArray[np.uint8], threshold: float) -> dict[str, Any]:
    found = maps.areas(labels).items()
    areas = {name: {"mm2": round(each.mm2, 6), "fraction": round(each.fraction, 6)} for name, each in found}
    return {"threshold": threshold, "areas": areas}


def _maps(stored: Stored) -> Maps:
    image = stored.document["image"]
    return Maps.from_npy(stored.files[MAPS_FILE], (image["height"], image["width"]), stored.document["um_per_px"])


def _colours(card: Card) -> dict[int, tuple[int, int, int]]:
    return {CLASS_VALUES[each.name]: rgb_of(each.colour) for each in card.classes}
