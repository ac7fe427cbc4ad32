"""What is typical of the features of a network's training pictures, kept as a small file beside this module.

Mahalanobis' distance to the nearest mean of a class, with one covariance for all classes (Lee et al., 2018,
arXiv:1807.03888), in the principal components of the features. `python -m training.published` makes the file.
"""

import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Typical:
    """Statistics of F features of typical pictures.

    Attributes:
        centre: (F,) float32, their mean.
        axes: (F, D) float16; `(features - centre) @ axes` has, within a class, unit variance in each direction.
        means: (K, D) float32, of each class in those directions.
        far: () float32, the distance at which strangeness is 1.
    """

    centre: Array
    axes: Array
    means: Array
    far: Array

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `content` was written to."""
        with np.load(path, allow_pickle=False) as file:
            return cls(**file)

    def content(self) -> bytes:
        """The bytes of the file, the same each time."""
        file = io.BytesIO()
        np.savez(file, **asdict(self))
        return file.getvalue()

    def strangeness(self, features: Array) -> Array:
        """(N,) float32 of (N, F) features, as the graph computes it."""
        placed = (features - self.centre) @ self.axes.astype(np.float32)
        squares = np.square(placed[:, np.newaxis] - self.means).mean(2)
        distance: Array = np.sqrt(squares.min(1)) / self.far
        return distance
