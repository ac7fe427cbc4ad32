"""From the colours that a file's profile states to sRGB, which the models were trained on.

Intent and black point are those that image editors start with: relative colorimetric, with black point compensation, so
that white stays white and black stays black.
"""

import io
from functools import lru_cache
from typing import Final

import numpy as np
from PIL import Image, ImageCms

from oncoserve.pictures.png_jpeg.icc import Space, UnreadableProfileError

SAME_LEVELS: Final = 2
"""How far a profile may be from sRGB, of 255 levels, to count as sRGB: there are dozens of files of that name."""
LEAST_RANGE: Final = 128
"""Of 255: from the darkest to the brightest of what a profile makes of all colours; black point compensation makes both
ends of a sound one meet those of sRGB."""
CMYK: Final = 4
STEPS: Final = {1: 1, 3: 15, CMYK: 51}
"""Between the levels at which a profile of so many channels is looked at."""
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
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError) as error:
        raise UnreadableProfileError("its colours cannot be computed") from error
    return _checked(transform, mode)


def _checked(transform: ImageCms.ImageCmsTransform, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform, or None where it changes nothing.

    Raises:
        UnreadableProfileError: it makes the same of all colours, so that nothing could be seen.
    """
    channels = len(mode)
    levels = np.arange(0, 256, STEPS[channels], dtype=np.uint8)
    grid = np.stack(np.meshgrid(*[levels] * channels), -1).reshape(len(levels), -1, channels)
    met = np.asarray(transform.apply(Image.frombytes(mode, grid.shape[1::-1], grid.tobytes()))).astype(int)
    if np.ptp(met) < LEAST_RANGE:
        raise UnreadableProfileError("it makes nearly the same of all colours")
    return None if channels != CMYK and np.abs(met - grid).max() <= SAME_LEVELS else transform
