"""From the colours that a file's profile states to sRGB, which the models were trained on.

Intent and black point are those that image editors start with: relative colorimetric, with black point compensation, so
that white stays white and black stays black.
"""

import io
from functools import lru_cache
from typing import Final

import numpy as np
from PIL import Image, ImageCms

from oncoserve.pictures.icc import Space, UnreadableProfileError

SAME_LEVELS: Final = 2
"""How far a profile may be from sRGB, of 255 levels, to count as sRGB: there are dozens of files of that name."""
TRANSFORMS_KEPT = 8

_MODES: dict[Space, str] = {"RGB": "RGB", "grey": "L", "CMYK": "CMYK"}
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOCACHE  # without its cache it can serve all threads


@lru_cache(TRANSFORMS_KEPT)
def to_srgb(essential: bytes, space: Space) -> ImageCms.ImageCmsTransform | None:
    """What turns samples into sRGB; None where they are sRGB already.

    Args:
        essential: a profile.
        space: its own.

    Raises:
        UnreadableProfileError: the colour library cannot use it.
    """
    mode = _MODES[space]
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(essential)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            _FLAGS,
        )
        return None if mode != "CMYK" and _changes_nothing(transform, mode) else transform
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError) as error:
        raise UnreadableProfileError("its colours cannot be computed") from error


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    levels = np.arange(0, 256, 15 if mode == "RGB" else 1, dtype=np.uint8)
    grid = (
        np.stack(np.meshgrid(levels, levels, levels), -1).reshape(len(levels), -1, 3) if mode == "RGB" else levels[None]
    )
    met = np.asarray(transform.apply(Image.fromarray(grid)))
    expected = grid if mode == "RGB" else grid[..., None]
    return bool(np.abs(met.astype(int) - expected).max() <= SAME_LEVELS)
