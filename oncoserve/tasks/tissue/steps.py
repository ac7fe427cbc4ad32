"""The steps that an H&E model's card may name, made on a whole picture before it is cut into tiles."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oncoserve.pictures.rgb import Warn
from oncoserve.tasks.regions.grids import at_original
from oncoserve.tasks.tissue import quality, stains
from oncoserve.tasks.tissue.glass import GLASS, TISSUE, analysis_picture, regions, white_mask


@dataclass(frozen=True)
class Found:
    """What the steps made of a picture.

    Attributes:
        regions: (h, w) uint8 on the model grid; see `glass`. None without that step.
        pixels: (h, w, 3) uint8; eosin, haematoxylin and optical density, or the picture as it was.
        warnings: what makes the result doubtful.
    """

    regions: NDArray[np.uint8] | None
    pixels: NDArray[np.uint8]
    warnings: tuple[Warn, ...] = ()


def take(steps: Collection[str], picture: NDArray[np.uint8], um_per_px: float) -> Found:
    """Find tissue and stains.

    Args:
        steps: of `oncoserve.tasks.card.Segmentation`.
        picture: (h, w, 3) uint8 RGB on the model grid.
        um_per_px: its micrometres per pixel.
    """
    if not steps:
        return Found(None, picture)
    shape = picture.shape[0], picture.shape[1]
    reduced = analysis_picture(picture)
    reduced_um_per_px = um_per_px * max(shape) / max(reduced.shape[:2])
    white = white_mask(reduced)
    found = regions(white, reduced_um_per_px)
    if "stains" not in steps:
        warnings = (quality.NO_TISSUE,) if white.all() else quality.tissue_warnings(found, reduced_um_per_px)
        return Found(at_original(found, shape), picture, warnings)
    try:
        parameters = stains.estimate(reduced, white)
    except stains.StainsNotFound:
        # A picture of one colour has something that is not white, which the caller should hear about.
        warnings = (quality.NO_TISSUE,) if white.all() else (quality.NO_TISSUE, quality.NOT_HE_COLOURS)
        return Found(np.full(shape, GLASS, np.uint8), np.zeros((*shape, 3), np.uint8), warnings)
    channels = stains.separate(picture, parameters)
    return Found(at_original(found, shape), channels, _doubts(reduced, found, parameters, reduced_um_per_px))


def _doubts(
    reduced: NDArray[np.uint8], found: NDArray[np.uint8], parameters: stains.StainParameters, um_per_px: float
) -> tuple[Warn, ...]:
    density = stains.density(reduced, parameters.intensity)
    tissue = found == TISSUE
    return (
        *quality.tissue_warnings(found, um_per_px),
        *quality.colour_warnings(density, tissue),
        *quality.sharpness_warnings(density, tissue),
    )
