"""Grids of labels and the ORIGINAL's pixels: which pixel of the one lies where in the other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Edges = NDArray[np.int64]
"""Along an axis, where in the ORIGINAL each edge between the pixels of a grid lies, from the first edge to the last."""


def at_original(labels: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Labels on the ORIGINAL grid of `shape`: each pixel takes the label that its centre lies in; (H, W, ...)."""
    if labels.shape[:2] == shape:
        return labels
    rows, columns = nearest(labels.shape[0], shape[0]), nearest(labels.shape[1], shape[1])
    return np.take(labels[:, columns], rows, axis=0)


def nearest(source: int, target: int) -> NDArray[np.int64]:
    """For each of `target` pixels along an axis, the one of `source` pixels that its centre lies in."""
    return (2 * np.arange(target) + 1) * source // (2 * target)


def edges(source: int, target: int) -> Edges:
    """For each of the source + 1 edges between label pixels, the pixel edge of the ORIGINAL that it falls on."""
    return np.searchsorted(nearest(source, target), np.arange(source + 1))


def object_grid(labels: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """The labels on the grid that objects are found on: the model's, or the ORIGINAL's where that is coarser.

    Args:
        labels: (h, w, ...) on the model grid.
        shape: (H, W) of the ORIGINAL.
    """
    coarser = shape[0] < labels.shape[0] or shape[1] < labels.shape[1]
    return at_original(labels, shape) if coarser else labels


def object_id(class_name: str, index: int) -> str:
    """The name of an object: its class, and its number among that class's objects in reading order, from 1."""
    return f"{class_name}-{index + 1}"
