"""The quantised graph of `brain_mri`, for CPUs: INT8 convolutions, everything else as in the FP32 graph."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from model_export import verify
from model_export.brain_mri import MOST_STRANGENESS, pictures
from model_export.quantise import quantise_convolutions

PROBABILITY_LIMIT: Final = 0.05
"""Largest change of a probability on the 17 samples, where 0.0023 was met; it is more on undecided pictures."""
SALIENCY_LIMIT: Final = 0.05
"""Largest mean change of a saliency map (0-1) over the samples, where 0.014 was met."""

STRANGENESS_LIMIT: Final = 0.05
"""Largest change of a strangeness, which is 1.12 at the limit."""


def quantise(served: bytes, samples: Path) -> bytes:
    """Quantises the FP32 graph, calibrated on all pictures under `samples`."""
    return quantise_convolutions(served, pictures(samples))


def check(served: bytes, quantised: bytes, samples: Path) -> Mapping[str, Mapping[str, float]]:
    """The gate: every label as in FP32, changes within limits, batches like single pictures.

    Raises:
        CheckError: A value is over its limit.
    """
    images = pictures(samples)
    exact = verify.run_one_by_one(verify.open_session(served), images)
    session = verify.open_session(quantised)
    got = verify.run_one_by_one(session, images)
    labels = exact["probabilities"].argmax(axis=1)
    moved = np.abs(got["saliency"] - exact["saliency"]).mean()
    evidence = (
        verify.require("probabilities_moved", got["probabilities"], exact["probabilities"], PROBABILITY_LIMIT),
        verify.labels_differing(got["probabilities"], labels),
        verify.require("saliency_moved", moved, np.zeros_like(moved), SALIENCY_LIMIT),
        verify.require("strangeness_moved", got["strangeness"], exact["strangeness"], STRANGENESS_LIMIT),
        verify.verdicts_differing(got["strangeness"], exact["strangeness"], MOST_STRANGENESS),
        *verify.same_in_a_batch(session, images[:4], {name: values[:4] for name, values in got.items()}),
    )
    return {item.name: {"value": item.value, "limit": item.limit} for item in evidence}
