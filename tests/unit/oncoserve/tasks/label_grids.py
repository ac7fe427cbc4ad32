"""Labels of a picture that no model has seen."""

import numpy as np


def blobs(shape, seed=0):
    """Squares of the four labels side by side in no order; those at the right and at the bottom may be cut off."""
    coarse = np.random.default_rng(seed).integers(0, 4, (shape[0] // 5 + 1, shape[1] // 5 + 1)).astype(np.uint8)
    return np.kron(coarse, np.ones((5, 5), np.uint8))[: shape[0], : shape[1]]


def cells(values, count=8):
    """Means over a grid of count x count cells of (h, w, c)."""
    rows, columns = (np.linspace(0, length, count + 1).astype(int)[:-1] for length in values.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(values.astype(float), rows), columns, axis=1)
    pixels = np.add.reduceat(np.add.reduceat(np.ones(values.shape[:2]), rows), columns, axis=1)
    return sums / pixels[..., np.newaxis]
