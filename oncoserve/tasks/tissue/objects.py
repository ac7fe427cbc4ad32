"""Objects: the 4-connected regions of each class, with names that a person can refer to, and labels without some."""

from collections.abc import Collection
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from oncoserve.tasks.base import RenderingOptions
from oncoserve.tasks.regions.components import components
from oncoserve.tasks.regions.geojson import MOST_ANNOTATIONS, Objects
from oncoserve.tasks.regions.grids import object_id
from oncoserve.tasks.tissue.labels import BACKGROUND, CLASS_VALUES, View


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


def object_ids(labels: NDArray[np.uint8]) -> set[str]:
    """The ids of all objects of (h, w) uint8 labels on the object grid."""
    return {
        object_id(name, index)
        for name, value in CLASS_VALUES.items()
        for index in range(components(labels == value).count)
    }


def without(labels: NDArray[np.uint8], excluded: Collection[str]) -> NDArray[np.uint8]:
    """The labels with the excluded objects made BACKGROUND, so that they count as no tissue.

    Args:
        labels: (h, w) uint8 on the object grid.
        excluded: ids; unknown ones are ignored.
    """
    left = labels.copy()
    for name, value in CLASS_VALUES.items():
        if any(each.startswith(f"{name}-") for each in excluded):
            found = components(labels == value)
            out = np.array([object_id(name, index) in excluded for index in range(found.count)], np.bool_)
            left[found.mask(out)] = BACKGROUND
    return left
