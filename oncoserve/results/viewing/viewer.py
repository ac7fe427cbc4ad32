"""A result's picture and the layer over it, described, and tile by tile."""

import re
from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oncoserve.errors import ResultNotFound, TileNotFound
from oncoserve.pictures.decode import to_png
from oncoserve.pictures.grey_values import read
from oncoserve.results.entry import Entry
from oncoserve.results.gallery import Gallery
from oncoserve.results.result_store import VALUES as VALUES_FILE
from oncoserve.results.viewing.cache import PyramidCache
from oncoserve.results.viewing.levels import TILE, Levels
from oncoserve.results.viewing.pyramid import Pyramid
from oncoserve.runtime.threads import CpuThreads
from oncoserve.tasks.base import OverlayOptions, Rendering, Stored

IMAGE: Final = "image"
VALUES: Final = "values"
OVERLAY: Final = "overlay"

MAX_DRAWN_SIDE: Final = 4096
"""Longer side of a layer that is drawn in colour, pixels; a larger one is reduced before it is kept."""

_NUMBER: Final = re.compile(r"\d{1,6}", re.ASCII)
_TILE: Final = re.compile(r"(\d{1,6})_(\d{1,6})", re.ASCII)


class Viewer:
    """Cuts stored results into tiles. Nothing here asks the inference server.

    Args:
        gallery: the results.
        threads: where the CPU's work is done.
        cache: the pictures that are being looked at.
    """

    def __init__(self, gallery: Gallery, threads: CpuThreads, cache: PyramidCache) -> None:
        self._gallery = gallery
        self._threads = threads
        self._cache = cache

    async def describe(self, result: str, owner: str | None) -> dict[str, Any]:
        """What can be looked at: the picture's size and levels, its resolution if known, and the layers.

        Raises:
            ResultNotFound, StorageUnavailable, and what `Catalogue.get` raises when the model is gone.
        """
        entry = await self._gallery.open(result, owner)
        levels = _levels(entry)
        overlay = _overlay(entry)
        layers = [] if overlay is None else [_description(entry, overlay)]
        if values := _values(entry):
            layers.append({"name": VALUES, "kind": "values", "values": values})
        return {
            "width": levels.width,
            "height": levels.height,
            "tile": TILE,
            "levels": levels.last + 1,
            "um_per_px": _um_per_px(entry.document),
            "layers": [{"name": IMAGE, "kind": "picture"}, *layers],
        }

    async def tile(self, result: str, owner: str | None, layer: str, level: str, tile: str) -> bytes:
        """One tile, as PNG; of a layer without colours its strengths.

        Every tile looks the result up, so that what was deleted, expired or is another owner's is not shown.

        Args:
            result: its id.
            owner: who asks.
            layer: a name that `describe` lists.
            level: its number as text; 0 is the smallest.
            tile: "<x>_<y>", counted from the upper left corner.

        Raises:
            TileNotFound, and what `describe` raises.
        """
        key = (owner, result, layer)
        try:
            entry = await self._gallery.open(result, owner)
        except ResultNotFound:
            self._cache.drop(key)
            raise
        overlay = _overlay(entry) if layer == OVERLAY else None
        box = _box(_levels(entry), level, tile)
        values = layer == VALUES and _values(entry) is not None
        if box is None or (layer != IMAGE and overlay is None and not values):
            raise TileNotFound(layer, level, tile)
        work = partial(self._make, key, entry, overlay, values=values)
        make = partial(self._gallery.with_room, entry.drawing_bytes(), work)
        pyramid = await self._cache.get(key, _levels(entry), make)
        return await self._threads.run(lambda: to_png(pyramid.tile(int(level), box), {}))

    def _make(self, key: Hashable, entry: Entry, overlay: Rendering | None, *, values: bool) -> Pyramid:
        make = partial(self._cache.files.make, key, _levels(entry))
        if values:
            return make(read(entry.results.files(entry.document["id"])[VALUES_FILE]), averaged=False)
        stored = self._gallery.stored(entry)
        return make(stored.picture().pixels if overlay is None else _pixels(overlay, stored))


def _pixels(overlay: Rendering, stored: Stored) -> NDArray[np.uint8]:
    if overlay.layer is not None:
        return overlay.layer.strengths(stored)
    drawn = overlay.draw(stored, overlay.options.model_validate({"base": "none", "opacity": 1}))
    if not isinstance(drawn, Image.Image):
        raise TypeError(f"{overlay.name} is not an image")
    drawn.thumbnail((MAX_DRAWN_SIDE, MAX_DRAWN_SIDE))
    return np.asarray(drawn)


def _um_per_px(document: Mapping[str, Any]) -> float | None:
    """Micrometres per pixel of the ORIGINAL, where the result knows them, in whichever unit."""
    mm_per_px = document.get("mm_per_px") or document["image"].get("mm_per_px")  # the caller's, else the file's
    return document.get("um_per_px") or (None if mm_per_px is None else 1000 * mm_per_px)


def _values(entry: Entry) -> dict[str, Any] | None:
    """How the numbers of its file are kept, if they are: results of older versions have none."""
    found: dict[str, Any] | None = (entry.document["image"].get("dicom") or {}).get("values")
    return found


def _overlay(entry: Entry) -> Rendering | None:
    """The rendering that lies over the picture, if this model's results have one."""
    for each in entry.model.task.renderings(entry.model.card):
        if issubclass(each.options, OverlayOptions):
            return each
    return None


def _box(levels: Levels, level: str, tile: str) -> tuple[int, int, int, int] | None:
    place = _TILE.fullmatch(tile)
    if not place or not _NUMBER.fullmatch(level):
        return None
    return levels.box(int(level), int(place[1]), int(place[2]))


def _description(entry: Entry, overlay: Rendering) -> dict[str, Any]:
    if overlay.layer is None:
        return {"name": OVERLAY, "kind": "drawn"}
    return {"name": OVERLAY, "kind": overlay.layer.kind, **overlay.layer.legend(entry.model.card)}


def _levels(entry: Entry) -> Levels:
    image = entry.document["image"]
    return Levels(image["width"], image["height"])
