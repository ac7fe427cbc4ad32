"""Regions as a GeoJSON FeatureCollection that QuPath reads."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

import numpy as np

from oncoserve.pictures.orientation import Frame
from oncoserve.tasks.regions import measures
from oncoserve.tasks.regions.components import Mask, components
from oncoserve.tasks.regions.grids import edges, object_id
from oncoserve.tasks.regions.measures import Closed
from oncoserve.tasks.regions.outlines import Ring, polygons
from oncoserve.tasks.regions.qupath import IGNORED, Classification, ObjectType, feature

MOST_ANNOTATIONS: Final = 1000
"""With more regions QuPath gets detections. Its guide knows "no more than a few hundred" annotations, and detections in
hundreds of thousands: https://qupath.readthedocs.io/en/stable/docs/concepts/objects.html"""

Objects = Literal["auto", "annotations", "detections"]


class Classes(Protocol):
    """Which classes each pixel of a grid of (h, w) has."""

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w)."""
        ...

    def mask(self, value: int) -> Mask:
        """(h, w) where that class is."""
        ...


@dataclass(frozen=True)
class Export:
    """How regions are written.

    Attributes:
        objects: QuPath's type; "auto" is annotations up to `MOST_ANNOTATIONS` regions, detections above.
        excluded: names of the objects that a person took out.
        keep_excluded: whether they are written all the same, as class `Ignore*` with the property `excluded`.
        um_per_px: micrometres per ORIGINAL pixel, where they are known.
        members: further members of the collection (RFC 7946, section 6.1).
        identity: an object's id, by its name.
        measurements: of every region, beside its area.
        beside: features of other kinds, which follow.
    """

    objects: Objects = "auto"
    excluded: Collection[str] = ()
    keep_excluded: bool = False
    um_per_px: float | None = None
    members: Mapping[str, object] = field(default_factory=dict)
    identity: Callable[[str], str] = str
    measurements: Mapping[str, float] = field(default_factory=dict)
    beside: Sequence[Mapping[str, object]] = ()


def feature_collection(
    labels: Classes, frame: Frame, classes: Mapping[int, Classification], export: Export
) -> Iterator[str]:
    """Write the regions of each class as JSON text, a region at a time.

    Corners lie on pixel edges of the ORIGINAL, (0, 0) being the upper left corner of the frame. A polygon's area is
    exactly the number of pixels that its region has in the mask.

    Args:
        labels: on the grid that objects are found on, upright.
        frame: from the ORIGINAL, upright, to where the regions are wanted.
        classes: by label, those that are wanted.
        export: how they are written.
    """
    place = placing(frame, labels.shape)
    kind = _kind(labels, classes, export)
    encode = json.JSONEncoder(separators=(",", ":")).encode  # made once: there may be a hundred thousand regions

    head = json.dumps({"type": "FeatureCollection", **export.members})
    yield f'{head[:-1]}, "features":['
    separator = "\n"
    for value, classification in classes.items():
        for index, polygon in enumerate(
            polygons(labels.mask(value))
        ):  # in the order of `components`, which ids count in
            name = object_id(classification.key, index)
            if name in export.excluded and not export.keep_excluded:
                continue
            rings = [place(ring) for ring in (polygon.outline, *polygon.holes)]
            yield separator + encode(_feature(rings, name, classification, kind, export))
            separator = ",\n"
    for each in export.beside:
        yield separator + encode(each)
        separator = ",\n"
    yield "\n]}\n"


def placing(frame: Frame, grid: tuple[int, ...]) -> Callable[[Ring], Closed]:
    """What brings a ring from a grid of (h, w) over the picture into the frame, and closes it."""
    swapped = frame.swapped  # a frame turns axes, so edges turn once
    x_edges, y_edges = edges(grid[1], frame.width), edges(grid[0], frame.height)
    x_edges = frame.points(np.stack([x_edges, np.zeros_like(x_edges)], axis=1))[:, int(swapped)]
    y_edges = frame.points(np.stack([np.zeros_like(y_edges), y_edges], axis=1))[:, int(not swapped)]

    def place(ring: Ring) -> Closed:
        x, y = x_edges[ring[:, 0]], y_edges[ring[:, 1]]
        points = frame.going(np.stack([y, x] if swapped else [x, y], axis=1)).tolist()
        return [*points, points[0]]

    return place


def _kind(labels: Classes, classes: Mapping[int, Classification], export: Export) -> ObjectType:
    if export.objects != "auto":
        return "annotation" if export.objects == "annotations" else "detection"
    count = sum(components(labels.mask(value)).count for value in classes)
    written = count if export.keep_excluded else count - len(export.excluded)
    return "annotation" if written <= MOST_ANNOTATIONS else "detection"


def _feature(
    rings: Sequence[Closed], name: str, classification: Classification, kind: ObjectType, export: Export
) -> dict[str, object]:
    area = measures.area(rings)
    measurements = {**export.measurements, "Area px^2": float(area)}
    if export.um_per_px is not None:
        measurements["Area \u00b5m^2"] = round(area * export.um_per_px**2, 3)
    geometry = {"type": "Polygon", "coordinates": rings}
    excluded = name in export.excluded
    found = feature(export.identity(name), geometry, name, IGNORED if excluded else classification, measurements, kind)
    if excluded:
        # QuPath keeps `metadata`; the others are for the page, where the object can be taken back in.
        was = classification.properties
        found["properties"] |= {"excluded": True, "was": was, "metadata": {"Class": classification.name}}
    return found
