"""Outlines, boxes and crosses over a picture, each with a dark rim so that it shows on any picture."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from PIL import ImageDraw

HAIRLINES: Final = 300  # along a picture's longer side: a line is as thin in a large picture as in a small one
RIM: Final = (0, 0, 0)


@dataclass(frozen=True)
class Stroke:
    """How lines are drawn.

    Attributes:
        ink: RGBA, 0-255.
        width: of a line, in pixels.
        rim: by how much it stands out at each side of what is drawn over it, in pixels.
        arm: of a cross, in pixels.
    """

    ink: tuple[int, int, int, int]
    width: int
    rim: int
    arm: int


def strokes(image: Mapping[str, Any], colour: tuple[int, int, int], opacity: float) -> Iterator[Stroke]:
    """The two strokes of every mark, the rim first.

    Args:
        image: the picture's `width` and `height` in pixels.
        colour: RGB, 0-255.
        opacity: 0 to 1.
    """
    alpha, unit = round(255 * opacity), max(1, round(max(image["width"], image["height"]) / HAIRLINES))
    for shade, rim in ((RIM, unit), (colour, 0)):
        yield Stroke((*shade, alpha), unit + 2 * rim, rim, 4 * unit + rim)


def draw_cross(draw: ImageDraw.ImageDraw, x: float, y: float, stroke: Stroke) -> None:
    """Draw a cross around a point, in pixels of the layer."""
    for line in ((x - stroke.arm, y, x + stroke.arm, y), (x, y - stroke.arm, x, y + stroke.arm)):
        draw.line(line, fill=stroke.ink, width=stroke.width)
