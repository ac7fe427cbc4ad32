"""Regions as a GeoJSON FeatureCollection in the shape that QuPath reads as annotations."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oncoserve.tasks.tissue.labels import nearest
from oncoserve.tasks.tissue.objects import object_grid, object_id
from oncoserve.tasks.tissue.outlines import Ring, polygons


@dataclass(frozen=True)
class Classification:
    """How a label is called and drawn in QuPath, and what the ids of its objects begin with."""

    name: str
    colour: tuple[int, int, int]
    key: str


def feature_collection(
    labels: NDArray[np.uint8],
    shape: tuple[int, int],
    classes: Mapping[int, Classification],
    members: Mapping[str, object] | None = None,
    excluded: Collection[str] = (),
) -> Iterator[str]:
    """Write the regions of each label as JSON text, a region at a time.

    Corners lie on pixel edges of the ORIGINAL, (0, 0) being its upper left corner. A polygon's area is exactly the
    number of pixels that its region has in the mask. QuPath shows the id as the object's name.

    Args:
        labels: (h, w) uint8 on the model grid.
        shape: (H, W) of the ORIGINAL.
        classes: by label, those that are wanted.
        members: further members of the collection, such as where it comes from (RFC 7946, section 6.1).
        excluded: ids of the objects that a person took out; they stay in the file, with the property `excluded`.
    """
    labels = object_grid(labels, shape)
    y_edges, x_edges = _edges(labels.shape[0], shape[0]), _edges(labels.shape[1], shape[1])

    def closed(ring: Ring) -> list[list[int]]:
        points = np.stack([x_edges[ring[:, 0]], y_edges[ring[:, 1]]], axis=1).tolist()
        return [*points, points[0]]

    head = json.dumps({"type": "FeatureCollection", **(members or {})})
    yield f'{head[:-1]}, "features":['
    separator = "\n"
    for value, classification in classes.items():
        properties = {
            "objectType": "annotation",
            "classification": {"name": classification.name, "color": list(classification.colour)},
        }
        for index, polygon in enumerate(polygons(labels == value)):  # in the order of `components`, which ids count in
            name = object_id(classification.key, index)
            rings = [closed(ring) for ring in (polygon.outline, *polygon.holes)]
            geometry = {"type": "Polygon", "coordinates": rings}
            named = {**properties, "name": name, **({"excluded": True} if name in excluded else {})}
            feature = {"type": "Feature", "geometry": geometry, "properties": named}
            yield separator + json.dumps(feature, separators=(",", ":"))
            separator = ",\n"
    yield "\n]}\n"


def _edges(source: int, target: int) -> NDArray[np.int64]:
    """For each of the source + 1 edges between label pixels, the pixel edge of the ORIGINAL that it falls on."""
    return np.searchsorted(nearest(source, target), np.arange(source + 1))
