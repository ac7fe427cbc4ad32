"""From a model's boxes and scores to the best of them, in pixels of the picture."""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray

from oncoserve.tasks.card import Detection
from oncoserve.tasks.picture_fit import Fit

COLUMNS: Final = 6
"""Of a box that is kept: left, top, right, bottom in pixels of the ORIGINAL, score, number of its class from 0 on."""
LEAST: Final = 1e-30
"""Score of a box; what has less only fills the rows of an output of fixed size."""
Floats = NDArray[np.float32]


def best(boxes: Floats, scores: Floats, part: Detection, fit: Fit) -> Floats:
    """The boxes that are kept of a picture, best first.

    Args:
        boxes: (N, 4) left, top, right, bottom in pixels of the tensor.
        scores: (N, K) of each class, 0 to 1.
        part: how they are read.
        fit: where the picture lies on the tensor.

    Returns:
        (M, `COLUMNS`) float32.
    """
    places, kinds = np.nonzero(scores >= max(part.floor, LEAST))
    found = scores[places, kinds]
    order = np.argsort(-found, kind="stable")
    places, kinds, found = places[order], kinds[order], found[order]
    corners = boxes[places].astype(np.float64)
    kept = np.arange(len(found)) if part.overlap is None else _apart(corners, kinds, part.overlap, part.most)
    kept = kept[: part.most]
    points = fit.back(corners[kept].reshape(-1, 2, 2))
    left_top, right_bottom = points.min(axis=1), points.max(axis=1)
    there = (right_bottom > left_top).all(axis=1)  # what lies beside the picture has no area on it
    rows = np.column_stack([left_top, right_bottom, found[kept], kinds[kept]]).astype(np.float32)
    chosen: Floats = rows[there]
    return chosen


def _apart(corners: NDArray[np.float64], kinds: NDArray[np.int64], most_iou: float, most: int) -> NDArray[np.int64]:
    """Indices of the boxes that no better one of their class covers: greedy non-maximum suppression.

    Args:
        corners: (N, 4), the best first.
        kinds: (N,) their classes.
        most_iou: that two of a class may share.
        most: boxes that are wanted.
    """
    sizes = np.maximum(corners[:, 2] - corners[:, 0], 0) * np.maximum(corners[:, 3] - corners[:, 1], 0)
    left = np.arange(len(corners))
    kept: list[int] = []
    while len(left) and len(kept) < most:
        first, others = left[0], left[1:]
        kept.append(int(first))
        low = np.maximum(corners[first, :2], corners[others, :2])
        high = np.minimum(corners[first, 2:], corners[others, 2:])
        shared = np.maximum(high - low, 0).prod(axis=1)
        iou = shared / np.maximum(sizes[first] + sizes[others] - shared, 1e-9)
        left = others[(iou <= most_iou) | (kinds[others] != kinds[first])]
    return np.array(kept, np.int64)


def read(data: bytes) -> Floats:
    """The boxes that were kept, from a result's file."""
    rows: Floats = np.load(io.BytesIO(data), allow_pickle=False)
    return rows
