"""Two numbers fitted on validation slices: the temperature, and the least certainty at which a box is shown."""

import numpy as np

from training.scores import Array


def softmax(logits: Array, temperature: float = 1.0) -> Array:
    """(N, K) probabilities."""
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(1, keepdims=True))
    shares: Array = powers / powers.sum(1, keepdims=True)
    return shares


def temperature(logits: Array, classes: Array) -> float:
    """The temperature with the least negative log-likelihood (arXiv:1706.04599), to 1 %."""
    candidates = np.geomspace(0.2, 5, 325)
    return float(min(candidates, key=lambda each: _surprise(softmax(logits, each), classes)))


def least_certainty(certainty: Array, tumour: Array, *, spared: float = 0.99) -> float:
    """The certainty that this share of the slices without a tumour stays below, rounded up to a tenth."""
    return float(np.ceil(np.quantile(certainty[~tumour], spared) * 10) / 10)


def _surprise(probabilities: Array, classes: Array) -> float:
    return float(-np.log(probabilities[np.arange(len(classes)), classes].clip(1e-12)).mean())
