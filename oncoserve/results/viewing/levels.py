"""How a picture is cut: levels, each half the size of the next, and tiles of one size in each."""

from dataclasses import dataclass
from typing import Final

TILE: Final = 512
"""Side of a tile, pixels; those at the right and lower edge are smaller."""


@dataclass(frozen=True)
class Levels:
    """The levels of a picture: at 0 it fits into one tile, at `last` it has its own size.

    Args:
        width: of the ORIGINAL, pixels.
        height: of the ORIGINAL, pixels.
    """

    width: int
    height: int

    @property
    def last(self) -> int:
        """The number of the level with the ORIGINAL's pixels."""
        return max(0, (-(-max(self.width, self.height) // TILE) - 1).bit_length())

    def size(self, level: int) -> tuple[int, int]:
        """Width and height of a level, pixels."""
        halvings = self.last - level
        return -(-self.width >> halvings), -(-self.height >> halvings)

    def box(self, level: int, x: int, y: int) -> tuple[int, int, int, int] | None:
        """Left, top, right and bottom of a tile in its level, pixels; None where there is no such tile."""
        if not 0 <= level <= self.last:
            return None
        width, height = self.size(level)
        left, top = x * TILE, y * TILE
        if not (0 <= left < width and 0 <= top < height):
            return None
        return left, top, min(left + TILE, width), min(top + TILE, height)
