"""Large pictures are worked on in bands of rows, so that there are never more than two copies in memory."""

from collections.abc import Callable, Iterator

from PIL import Image

BAND_ROWS = 256  # worked on at a time


def bands(height: int) -> Iterator[tuple[int, int]]:
    """First row and row after the last of the parts that large pictures are worked on in."""
    for top in range(0, height, BAND_ROWS):
        yield top, min(top + BAND_ROWS, height)


def in_bands(size: tuple[int, int], rows: Callable[[int, int], Image.Image]) -> Image.Image:
    """Make an RGB picture with one other copy of the pixels in memory, which the rows are made of.

    Args:
        size: width and height.
        rows: gives the RGB of the rows from one to the one before another.
    """
    width, height = size
    if height <= BAND_ROWS:
        return rows(0, height)
    rgb = Image.new("RGB", (width, height), None)  # not filled: every pixel is written
    for top, bottom in bands(height):
        rgb.paste(rows(top, bottom), (0, top))
    return rgb
