"""Pictures of every mode to 8-bit RGB, in bands: of a large picture there are never more than two copies in memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

SIXTEEN_BIT_MODES = {"I", "I;16", "I;16B", "I;16L", "I;16N"}
BAND_ROWS = 256  # of a large picture, worked on at a time


@dataclass(frozen=True)
class Warn:
    """Something the caller should know about a result; `code` is stable, `message` is for people."""

    code: str
    message: str


def bands(height: int) -> Iterator[tuple[int, int]]:
    """First row and row after the last of the parts that large pictures are worked on in."""
    for top in range(0, height, BAND_ROWS):
        yield top, min(top + BAND_ROWS, height)


def in_bands(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Convert to RGB with one other copy of the pixels in memory, the image itself.

    Args:
        image: of any mode.
        convert: gives the RGB of a few rows.
    """
    if image.height <= BAND_ROWS:
        return convert(image)
    rgb = Image.new("RGB", image.size, None)  # not filled: every pixel is written
    for top, bottom in bands(image.height):
        rgb.paste(convert(image.crop((0, top, image.width, bottom))), (0, top))
    return rgb


def to_rgb(image: Image.Image, background: str) -> tuple[Image.Image, tuple[Warn, ...]]:
    """The same in RGB, and what was done to get there that can change an answer.

    Args:
        image: of any mode, with Pillow's `info` of its file.
        background: "#rrggbb" for transparent pixels.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image, ()
    if image.mode in SIXTEEN_BIT_MODES:
        return _eight_bit(image)
    if image.mode == "CMYK":
        warning = Warn("cmyk_converted", "CMYK colours were converted to RGB without a profile.")
        return in_bands(image, lambda band: band.convert("RGB")), (warning,)
    if image.has_transparency_data:
        return _flattened(image, background)
    return in_bands(image, lambda band: band.convert("RGB")), ()


def _eight_bit(image: Image.Image) -> tuple[Image.Image, tuple[Warn, ...]]:
    extremes: list[int] = []

    def scaled(band: Image.Image) -> Image.Image:
        samples = np.asarray(band)
        extremes.extend((int(samples.min()), int(samples.max())))
        # In the samples' own 16 bits: x * 255 / 65535, rounded, is x / 257, rounded.
        quotient, remainder = np.divmod(samples.clip(0, 65535).astype(np.uint16), np.uint16(257))
        quotient += remainder > 128  # noqa: PLR2004 - half of 257
        return Image.fromarray(quotient.astype(np.uint8)).convert("RGB")

    rgb = in_bands(image, scaled)
    low, high = min(extremes), max(extremes)
    message = f"16-bit samples were scaled from 0-65535 to 0-255; the picture uses {low}-{high}."
    return rgb, (Warn("sixteen_bit_scaled", message),)


def _flattened(image: Image.Image, background: str) -> tuple[Image.Image, tuple[Warn, ...]]:
    opaque = True

    def flat(band: Image.Image) -> Image.Image:
        nonlocal opaque
        layer = band.convert("RGBA")
        if layer.getchannel("A").getextrema() == (255, 255):
            return layer.convert("RGB")
        opaque = False
        below = Image.new("RGBA", layer.size, background)
        below.alpha_composite(layer)
        return below.convert("RGB")

    rgb = in_bands(image, flat)
    message = f"Transparent pixels were laid over {background}."
    return rgb, () if opaque else (Warn("transparency_flattened", message),)
