"""Where there is tissue: white glass told from tissue, and from the lumens inside it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from oncoserve.tasks.regions.components import Mask, components, without_small

ANALYSIS_SIDE: Final = 2048
"""Longest side of the picture that colours are analysed on, pixels; as `lavlab-shell` does in `infer_wsi`."""

TISSUE, WHITE, GLASS = range(3)
"""Values of the map of regions: tissue, white inside or beside it, and the slide's empty glass."""

_RADIUS: Final = 4  # of the entropy's window, 9 x 9 pixels
_WINDOW: Final = (2 * _RADIUS + 1) ** 2
_BINS: Final = 16
_SMALL: Final = 256  # pixels: smaller white spots are tissue, smaller spots in the white are dirt
_GLASS_MM2: Final = 0.1  # a white region at the picture's edge is glass from this area on, ...
_GLASS_SHARE: Final = 0.25  # ... or from this share of the picture on; below, it can be a lumen that the edge cuts


def analysis_picture(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture of the model grid, reduced to `ANALYSIS_SIDE` when it is larger; (h, w, 3) uint8 RGB."""
    height, width = pixels.shape[:2]
    scale = ANALYSIS_SIDE / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def white_mask(pixels: NDArray[np.uint8]) -> Mask:
    """Pixels that are bright, pale and smooth: glass, and lumens.

    The rule and its numbers are `detect_background` of `lavlab-shell`.

    Args:
        pixels: (h, w, 3) uint8 RGB near the model's resolution.

    Returns:
        (h, w) bool.
    """
    brightest, darkest = pixels.max(axis=2), pixels.min(axis=2)
    value = brightest.astype(np.float32) / 255
    saturation = (brightest - darkest) / np.maximum(brightest, 1).astype(np.float32)
    smooth = (value > 0.82) & (saturation < 0.25) & (_local_entropy(pixels) < 2.4)  # noqa: PLR2004 - the rule's numbers
    pale = (value > 0.83) & (saturation < 0.12)  # noqa: PLR2004
    share = float(smooth.mean())
    credible = 0.01 <= share <= min(0.90, pale.mean() * 1.8 + 1e-6)  # noqa: PLR2004
    white = smooth | (pale & (value > 0.94)) if credible else pale  # noqa: PLR2004
    return ~without_small(~without_small(white, _SMALL), _SMALL)


def _local_entropy(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Shannon entropy of 16 grey bins in a window of 9 x 9 pixels, bits; (h, w) float32."""
    grey = (0.299 * pixels[..., 0] + 0.587 * pixels[..., 1] + 0.114 * pixels[..., 2]).astype(np.uint8) >> 4
    # Pillow's box filter rounds means of 0 and 255 to levels, from which the count of 81 is recovered exactly.
    share = (np.round(np.arange(256) * (_WINDOW / 255)) / _WINDOW).clip(1e-6)
    terms = (-share * np.log2(share)).astype(np.float32)
    terms[0] = 0
    entropy = np.zeros(grey.shape, np.float32)
    for level in range(_BINS):
        members = Image.fromarray((grey == level).astype(np.uint8) * 255)
        entropy += terms[np.asarray(members.filter(ImageFilter.BoxBlur(_RADIUS)))]
    return entropy


def regions(white: Mask, um_per_px: float) -> NDArray[np.uint8]:
    """Tell glass from the white inside tissue, which can be lumen.

    Without this the model's lumen, white too, would spread over all empty glass: on a slide of skin it took 63 % of
    the picture. `lavlab-shell` clips to the tissue with its holes filled. Here a white region at the picture's edge
    stays as well unless it is large, since pictures are often fields cut out of a slide.

    Args:
        white: (h, w) bool.
        um_per_px: micrometres per pixel of `white`.

    Returns:
        (h, w) uint8 of TISSUE, WHITE and GLASS.
    """
    found = components(white)
    least = min(_GLASS_MM2 * 1e6 / um_per_px**2, _GLASS_SHARE * white.size)
    glass = found.mask(found.at_border() & (found.sizes() >= least))
    return white.astype(np.uint8) + glass
