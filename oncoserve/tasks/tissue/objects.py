"""Objects: the 4-connected regions of each class, with names that a person can refer to, and labels without some."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from oncoserve.tasks.tissue.components import components
from oncoserve.tasks.tissue.labels import BACKGROUND, CLASS_VALUES, at_original


def object_grid(labels: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The labels on the grid that objects are found on: the model's, or the ORIGINAL's where that is coarser.

    Args:
        labels: (h, w) uint8 on the model grid.
        shape: (H, W) of the ORIGINAL.
    """
    coarser = shape[0] < labels.shape[0] or shape[1] < labels.shape[1]
    return at_original(labels, shape) if coarser else labels


def object_id(class_name: str, index: int) -> str:
    """The name of an object: its class, and its number among that class's objects in reading order, from 1."""
    return f"{class_name}-{index + 1}"


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
