"""What is drawn and written of a stored result's maps: overlay, mask, polygons and their objects, at any threshold."""

from collections.abc import Iterator
from functools import partial
from typing import Literal

from PIL import Image
from pydantic import Field

from oncoserve.pictures.decode import rgb_of
from oncoserve.tasks.base import THRESHOLD, OverlayOptions, RenderingOptions, Stored
from oncoserve.tasks.card import Card, ModelClass
from oncoserve.tasks.card import Segmentation as Part
from oncoserve.tasks.maps.labels import Labels, Rule
from oncoserve.tasks.maps.objects import object_ids, without
from oncoserve.tasks.maps.resolution import RESOLUTION_ASSUMED
from oncoserve.tasks.maps.stored_maps import maps_of
from oncoserve.tasks.maps.whole_picture import Maps
from oncoserve.tasks.parameters import Parameters
from oncoserve.tasks.regions.components import Mask
from oncoserve.tasks.regions.geojson import MOST_ANNOTATIONS, Export, Objects, feature_collection
from oncoserve.tasks.regions.grids import at_original
from oncoserve.tasks.regions.qupath import Classification, members, object_uuid
from oncoserve.tasks.regions.render import layer_image, mask_image, overlay_image


class View(Parameters):
    """How probabilities become labels."""

    threshold: float | None = Field(default=None, ge=0, le=1, description=THRESHOLD)
    """Left out, the card's."""


class SegmentationOverlayOptions(OverlayOptions, View):
    """How the overlay is drawn."""


class MaskOptions(RenderingOptions, View):
    """How the mask is drawn."""


class PolygonOptions(RenderingOptions, View):
    """How the regions are written."""

    objects: Objects = Field(
        default="auto",
        description=f"QuPath's type of objects; auto: annotations up to {MOST_ANNOTATIONS}, detections above.",
    )
    """QuPath's type of objects."""

    excluded: Literal["omit", "ignore"] = Field(
        default="omit", description="Objects that a person excluded: left out, or written as class Ignore*."
    )
    """What becomes of objects that a person excluded."""


def settled(threshold: float | None, card: Card) -> View:
    """The view that is meant, in numbers: objects are excluded in it by these."""
    return View(threshold=part_of(card).threshold if threshold is None else threshold)


def draw_overlay(stored: Stored, options: SegmentationOverlayOptions) -> Image.Image:
    """Lay the classes in the card's colours over the picture."""
    maps, colours = maps_of(stored), _colours(stored.card)
    labels = labels_of(stored, maps, options.threshold).painted()
    if options.base == "none":
        return layer_image(labels, maps.shape, colours, options.opacity)
    return overlay_image(labels, stored.picture().pixels, colours, options.opacity)


def draw_mask(stored: Stored, options: MaskOptions) -> Image.Image:
    """Palette picture of the ORIGINAL's size: 0 is background, the card's first class is 1."""
    maps = maps_of(stored)
    labels = labels_of(stored, maps, options.threshold).painted()
    return mask_image(labels, maps.shape, {0: (0, 0, 0), **_colours(stored.card)})


def masks_of(stored: Stored, options: View) -> list[tuple[ModelClass, Mask]]:
    """Where each class is, on the ORIGINAL's pixels; those that are nowhere are left out."""
    maps = maps_of(stored)
    labels = labels_of(stored, maps, options.threshold)
    found = ((each, labels.mask(number)) for number, each in enumerate(stored.card.classes, 1))
    placed = ((each, at_original(mask, maps.shape)) for each, mask in found)
    return [(each, mask) for each, mask in placed if mask.any()]


def write_polygons(stored: Stored, options: PolygonOptions) -> Iterator[str]:
    """GeoJSON as QuPath reads it, in pixels of the ORIGINAL."""
    maps, view, rule = maps_of(stored), settled(options.threshold, stored.card), Rule.of(stored.card)
    classes = {rule.numbers[each.name]: Classification.of(each) for each in stored.card.classes}
    assumed = any(each["code"] == RESOLUTION_ASSUMED for each in stored.document["warnings"])
    drawn_with = options.model_copy(update=view.model_dump())
    export = Export(
        options.objects,
        stored.excluded(view),
        options.excluded == "ignore",
        None if assumed else maps.um_per_px,
        members(stored, drawn_with, um_per_px=maps.um_per_px),
        partial(object_uuid, stored.document["id"], view.model_dump_json()),
    )
    labels = maps.labels(rule, view.threshold or 0).for_objects(maps.shape)
    return feature_collection(labels, options.place(stored.document["image"]), classes, export)


def objects_of(stored: Stored, options: View) -> set[str]:
    """Names of the objects at a threshold."""
    maps, rule = maps_of(stored), Rule.of(stored.card)
    view = settled(options.threshold, stored.card)
    return object_ids(maps.labels(rule, view.threshold or 0).for_objects(maps.shape), rule.numbers)


def labels_of(stored: Stored, maps: Maps, threshold: float | None) -> Labels:
    """The labels at a threshold, without the objects that are excluded there."""
    view, rule = settled(threshold, stored.card), Rule.of(stored.card)
    labels, excluded = maps.labels(rule, view.threshold or 0), stored.excluded(view)
    return without(labels.for_objects(maps.shape), rule.numbers, excluded) if excluded else labels


def _colours(card: Card) -> dict[int, tuple[int, int, int]]:
    return {number: rgb_of(each.colour) for number, each in enumerate(card.classes, 1)}


def part_of(card: Card) -> Part:
    """What the card says of maps."""
    assert card.segmentation is not None  # noqa: S101 - else the model would not be ready
    return card.segmentation
