"""Fits what is typical; the scale is set on other patients."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model_export.strangeness.typical import Typical

Array = npt.NDArray[Any]

COMPONENTS: Final = 96
"""Principal components that are kept."""
SHRINKAGE: Final = 0.05
"""Share of the covariance within classes that is replaced by a multiple of the unit matrix."""


def fit_typical(features: Array, kinds: Array) -> Typical:
    """Whitens within the classes; the scale is not set yet.

    Args:
        features: (N, F) of typical pictures.
        kinds: (N,) the class of each.
    """
    features = features.astype(np.float64)
    centre = features.mean(0)
    _, lengths, directions = np.linalg.svd(features - centre, full_matrices=False)
    scale = directions[:COMPONENTS].T / lengths[:COMPONENTS] * np.sqrt(len(features))
    placed = (features - centre) @ scale
    names, own = np.unique(kinds, return_inverse=True)
    within = placed - np.stack([placed[own == index].mean(0) for index in range(len(names))])[own]
    covariance = within.T @ within / len(within)
    plain = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
    values, vectors = np.linalg.eigh((1 - SHRINKAGE) * covariance + SHRINKAGE * plain)
    # As it is stored, so that what is computed of it later is what was fitted.
    axes = (scale @ vectors / np.sqrt(values)).astype(np.float16)
    placed = (features - centre) @ axes.astype(np.float64)
    means = np.stack([placed[own == index].mean(0) for index in range(len(names))])
    return Typical(centre.astype(np.float32), axes, means.astype(np.float32), np.array(1, np.float32))


def scaled_by(typical: Typical, features: Array, coverage: float) -> Typical:
    """The same, with strangeness 1 at the distance that this share of the pictures stays within.

    Args:
        typical: fitted on others.
        features: (N, F) of pictures that a class is to be named of.
        coverage: 0 to 1.
    """
    far = typical.far * np.quantile(typical.strangeness(features), coverage)
    return Typical(typical.centre, typical.axes, typical.means, np.array(far, np.float32))
