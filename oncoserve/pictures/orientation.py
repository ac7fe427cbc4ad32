"""How a file's pixels lie, by EXIF's tag Orientation, against the upright picture that everything is computed on."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TAG: Final = 0x0112
AS_IT_LIES: Final = 1
# What makes a picture upright, by the tag's value (EXIF 2.3, section 4.6.4 A). ImageOps.exif_transpose writes the EXIF
# data anew too, and fails where it is odd.
TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BACK: Final = {**TURNS, 6: TURNS[8], 8: TURNS[6]}  # the others undo themselves
_SWAPPED: Final = {5, 6, 7, 8}
_X_MIRRORED, _Y_MIRRORED = {2, 3, 7, 8}, {3, 4, 6, 7}  # along the file's axes
_MIRRORED: Final = {2, 4, 5, 7}  # left and right of a line change sides


def orientation_of(tag: Any) -> int:  # noqa: ANN401 - whatever the file holds
    """The orientation, 1 to 8, that a tag's value says; 1 where it says nothing that is known."""
    return next((each for each in TURNS if each == tag), AS_IT_LIES)


@dataclass(frozen=True)
class Frame:
    """Where things lie: from pixels of the upright picture to pixels of the picture as its file holds it.

    Attributes:
        orientation: of the file, 1 to 8. With 1 the two are the same.
        width: of the upright picture.
        height: of the upright picture.
    """

    orientation: int
    width: int
    height: int

    @property
    def swapped(self) -> bool:
        """Whether rows of the file are columns of the upright picture."""
        return self.orientation in _SWAPPED

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in the file."""
        return (self.height, self.width) if self.swapped else (self.width, self.height)

    def points(self, upright: NDArray[Any]) -> NDArray[Any]:
        """(K, 2) x and y of points, on the grid of pixel EDGES: (0, 0) is the outer corner of the first pixel."""
        x, y = upright.T[::-1] if self.swapped else upright.T
        width, height = self.size
        return np.stack(
            [
                width - x if self.orientation in _X_MIRRORED else x,
                height - y if self.orientation in _Y_MIRRORED else y,
            ],
            axis=1,
        )

    def going(self, ring: NDArray[Any]) -> NDArray[Any]:
        """The points of a ring in the order that goes round it as before: what was to its right still is."""
        return ring[::-1] if self.orientation in _MIRRORED else ring

    def image(self, upright: Image.Image) -> Image.Image:
        """A picture of the upright one's size, as the file would hold it."""
        back = _BACK.get(self.orientation)
        return upright if back is None else upright.transpose(back)
