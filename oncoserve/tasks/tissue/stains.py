"""Stain separation after Macenko: RGB to the model's channels eosin, haematoxylin and optical density."""

from dataclasses import dataclass
from typing import Final

import macenko_pca
import numpy as np
from numpy.typing import NDArray

from oncoserve.tasks.regions.components import Mask

_PERCENTILES: Final = (1, 99)
_DEFAULT_INTENSITY: Final = 240.0  # of light through glass, where the picture shows no glass
_STAINS: Final = ("eosin", "hematoxylin")
_RESIDUAL: Final = 2  # column of the stain matrix
_ENOUGH_TISSUE: Final = 256  # pixels, 0.001 mm² at the model's resolution; with none at all macenko_pca 1.0.4 panics
_ENOUGH_GLASS: Final = 100  # pixels
_BAND_ROWS: Final = 256


class StainsNotFound(ValueError):
    """No two stains can be told apart in a picture: one flat colour, or next to no tissue."""


@dataclass(frozen=True)
class StainParameters:
    """What turns colours into channels, estimated once per picture.

    Attributes:
        intensity: brightness of clear glass, 200-255.
        vectors: (2, 3) float64, unit optical density of eosin and haematoxylin in red, green, blue.
        unmix: (3, 3) float32, optical density (row vector) times this gives eosin, haematoxylin, mean density.
        low: (3,) float32, 1st percentile of each channel over the picture; becomes 0.
        high: (3,) float32, 99th percentile; becomes 255.
    """

    intensity: float
    vectors: NDArray[np.float64]
    unmix: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


def estimate(pixels: NDArray[np.uint8], white: Mask) -> StainParameters:
    """Estimate stains and scaling from a whole picture, as `estimate_stain_params` of `lavlab-shell` does.

    Args:
        pixels: (h, w, 3) uint8 RGB, reduced or not.
        white: (h, w) bool, what is not tissue.

    Raises:
        StainsNotFound: the picture does not have two stains.
    """
    intensity = _glass_intensity(pixels, white)
    matrix = _macenko(pixels, intensity, white)
    eosin, haematoxylin = (macenko_pca.find_stain_index(macenko_pca.stain_color_map[name], matrix) for name in _STAINS)
    if eosin == haematoxylin or _RESIDUAL in (eosin, haematoxylin):
        # Both are most like the same vector. Which one comes first is chance, it can change when the picture is turned;
        # haematoxylin takes out more red.
        haematoxylin, eosin = (0, 1) if matrix[0, 0] > matrix[0, 1] else (1, 0)
    inverse = np.linalg.pinv(matrix).astype(np.float32)
    unmix = np.stack([inverse[eosin], inverse[haematoxylin], np.full(3, 1 / 3, np.float32)], axis=1)
    channels = density(pixels, intensity) @ unmix
    low, high = np.percentile(channels.reshape(-1, 3), _PERCENTILES, axis=0).astype(np.float32)
    flat = high <= low + 1e-8
    low, high = np.where(flat, np.float32(0), low), np.where(flat, np.float32(1), high)
    return StainParameters(intensity, matrix.T[[eosin, haematoxylin]], unmix, low, high)


def _macenko(pixels: NDArray[np.uint8], intensity: float, white: Mask) -> NDArray[np.float64]:
    """(3, 3) stain vectors as columns, the third of them the residual."""
    if white.size - np.count_nonzero(white) < _ENOUGH_TISSUE:
        raise StainsNotFound("there is too little tissue")
    try:
        matrix = macenko_pca.rgb_separate_stains_macenko_pca(pixels, bg_int=[intensity], mask_out=white)
    except BaseException as error:  # a Rust panic (no pixel is dark enough) has no narrower base class
        if type(error).__name__ != "PanicException":
            raise
        raise StainsNotFound("nothing is stained") from error
    if not np.isfinite(matrix).all():
        raise StainsNotFound("there is one colour only")
    return np.asarray(matrix, np.float64)


def _glass_intensity(pixels: NDArray[np.uint8], white: Mask) -> float:
    """Mean brightness of the white that is not burnt out."""
    not_burnt = white & (pixels.min(axis=2) < 255)  # noqa: PLR2004 - the largest byte
    for glass in not_burnt, white:
        if np.count_nonzero(glass) >= _ENOUGH_GLASS:
            return float(np.clip(pixels[glass].mean(dtype=np.float64), 200, 255))
    return _DEFAULT_INTENSITY


def density(pixels: NDArray[np.uint8], intensity: float) -> NDArray[np.float32]:
    """Decimal optical density, (h, w, 3) float32, never negative: a table of 256 entries looked up."""
    levels = np.clip(np.arange(256, dtype=np.float32), 1, np.float32(intensity))
    table = -np.log10(levels / np.float32(intensity))
    density: NDArray[np.float32] = table[pixels]
    return density


def separate(pixels: NDArray[np.uint8], parameters: StainParameters) -> NDArray[np.uint8]:
    """Turn colours into the model's channels.

    Scaled by percentiles and clipped, every channel reaches 0 and 255 somewhere in the picture, so the published
    scaling by the whole picture's minimum and maximum that follows is a division by 255, and is in the graph.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        parameters: of the whole picture.

    Returns:
        (h, w, 3) uint8: eosin, haematoxylin, optical density.
    """
    channels = np.empty(pixels.shape, np.uint8)
    scale = np.float32(255) / (parameters.high - parameters.low + np.float32(1e-8))
    for first in range(0, len(pixels), _BAND_ROWS):
        band = density(pixels[first : first + _BAND_ROWS], parameters.intensity) @ parameters.unmix
        band -= parameters.low
        band *= scale
        np.clip(band, 0, 255, out=band)
        channels[first : first + _BAND_ROWS] = band.astype(np.uint8)  # truncated, as published
    return channels
