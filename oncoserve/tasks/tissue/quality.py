"""Signs that a result should not be trusted. The limits are from real pictures, good and bad; see each."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from oncoserve.pictures.rgb import Warn
from oncoserve.tasks.regions.components import Mask
from oncoserve.tasks.tissue.glass import TISSUE

NO_TISSUE: Final = Warn("no_tissue", "No tissue was found, so there is nothing to segment.")
NOT_HE_COLOURS: Final = Warn(
    "not_he_colours", "The colours are not those of haematoxylin and eosin; the model was trained on no other stain."
)

_LITTLE_SHARE: Final = 0.05  # of the picture
_LITTLE_MM2: Final = 0.01  # about one gland
_STAINED: Final = 0.15  # sum of a pixel's optical densities
_LEAST_MAGENTA: Final = 0.01  # H&E 0.17 to 0.21, blurred or not; grey 0; photographs and DAB -0.02 to -0.23
_LEAST_SHARPNESS: Final = 0.33  # H&E at its true resolution 0.57 to 0.72, blurred by 4 um 0.28 to 0.30, by 8 um 0.26
_NEAR, _FAR = 1, 4  # pixels between the two points of a difference


def tissue_warnings(regions: NDArray[np.uint8], um_per_px: float) -> tuple[Warn, ...]:
    """Whether there is enough tissue.

    Args:
        regions: (h, w) uint8, see `glass`.
        um_per_px: micrometres per pixel of `regions`.
    """
    tissue = int(np.count_nonzero(regions == TISSUE))
    mm2 = tissue * um_per_px**2 / 1e6
    if tissue >= _LITTLE_SHARE * regions.size and mm2 >= _LITTLE_MM2:
        return ()
    message = (
        f"Only {tissue / regions.size:.1%} of the picture, {mm2:.2g} mm², is tissue; stains and scaling come from it."
    )
    return (Warn("little_tissue", message),)


def colour_warnings(density: NDArray[np.float32], tissue: Mask) -> tuple[Warn, ...]:
    """Whether the colours can be H&E: both dyes, and every mix of them, take out green light most.

    Args:
        density: (h, w, 3) optical density in red, green, blue.
        tissue: (h, w) bool.
    """
    total = density.sum(axis=2)
    stained = density[tissue & (total > _STAINED)]
    if len(stained):
        red, green, blue = stained.T
        if np.median((green - np.maximum(red, blue)) / stained.sum(axis=1)) >= _LEAST_MAGENTA:
            return ()
    return (NOT_HE_COLOURS,)


def sharpness_warnings(density: NDArray[np.float32], tissue: Mask) -> tuple[Warn, ...]:
    """Whether there is detail at the model's resolution: in a blurred picture neighbours hardly differ.

    Args:
        density: (h, w, 3) optical density on the model grid, or coarser.
        tissue: (h, w) bool.
    """
    mean = density.mean(axis=2)
    near, far = _contrast(mean, tissue, _NEAR), _contrast(mean, tissue, _FAR)
    if near is None or far is None or near >= _LEAST_SHARPNESS * far:
        return ()
    message = "The picture is blurred, or its resolution is not the one stated; the model needs to see single nuclei."
    return (Warn("blurred", message),)


def _contrast(values: NDArray[np.float32], tissue: Mask, distance: int) -> float | None:
    """Mean absolute difference of tissue pixels that far apart along either axis; None where there are none."""
    differences = [
        np.abs(ahead - behind)[both]
        for ahead, behind, both in (
            (values[distance:], values[:-distance], tissue[distance:] & tissue[:-distance]),
            (values[:, distance:], values[:, :-distance], tissue[:, distance:] & tissue[:, :-distance]),
        )
    ]
    found = np.concatenate(differences)
    return float(found.mean()) if len(found) else None
