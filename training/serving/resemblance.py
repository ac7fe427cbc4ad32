"""How unlike the training pictures a picture is: distance of its features, the network's own word, or the larger.

The distance is Mahalanobis' (as in arXiv:1807.03888, of one class): features are centred and whitened by the mean and
covariance of augmented training slices, covariance shrunk towards its diagonal.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SHRINKAGE: Final = 0.1
HIGH: Final = 0.99
"""The quantile of the training slices at which each part is 1."""
METHODS: Final = ("both", "distance", "head")
"""Of two that are as good, the first is taken."""


@dataclass(frozen=True)
class Resemblance:
    """Fitted on what is typical; 0 is the most typical, 1 stranger than 99 of 100 augmented training slices.

    Attributes:
        centre: (F,) float32.
        whitening: (F, F) float32; `(features - centre) @ whitening` has unit variance.
        far: the root of the mean square of what is typical, at its 0.99 quantile.
        middle: mean of the network's logits of being an outlier.
        high: their 0.99 quantile.
    """

    centre: Array
    whitening: Array
    far: float
    middle: float
    high: float

    def parts(self, features: Array, outliers: Array) -> dict[str, Array]:
        """(N,) for each of METHODS."""
        distance = np.sqrt(np.square((features - self.centre) @ self.whitening).mean(1)) / self.far
        head = ((outliers - self.middle) / (self.high - self.middle)).clip(min=0)
        return {"distance": distance, "head": head, "both": np.maximum(distance, head)}


def fit_resemblance(features: Array, outliers: Array) -> Resemblance:
    """Of what is typical: features (n, F) and the network's logits (n,)."""
    centre = features.mean(0)
    covariance = np.cov(features.astype(np.float64), rowvar=False)
    spread = np.diag(np.diag(covariance) + 1e-6)
    values, vectors = np.linalg.eigh((1 - SHRINKAGE) * covariance + SHRINKAGE * spread)
    whitening = (vectors / np.sqrt(values)).astype(np.float32)
    lengths = np.sqrt(np.square((features - centre) @ whitening).mean(1))
    middle = float(outliers.mean())
    return Resemblance(
        centre=centre.astype(np.float32),
        whitening=whitening,
        far=float(np.quantile(lengths, HIGH)),
        middle=middle,
        high=max(float(np.quantile(outliers, HIGH)), middle + 1e-3),
    )
