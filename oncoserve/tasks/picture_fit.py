"""How a picture of any size is brought to a model's fixed one, and how places come back: as the card says."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oncoserve.pictures.decode import rgb_of
from oncoserve.pictures.resize import resize
from oncoserve.tasks.card import Preprocessing


@dataclass(frozen=True)
class Fit:
    """Which part of the ORIGINAL is seen, and where on the tensor it lies.

    Attributes:
        seen: left, top, right, bottom in pixels of the ORIGINAL.
        laid: left, top, right, bottom in pixels of the tensor, whole numbers.
        size: width and height of the tensor.
    """

    seen: tuple[float, float, float, float]
    laid: tuple[int, int, int, int]
    size: tuple[int, int]

    @classmethod
    def of(cls, preprocessing: Preprocessing, picture: tuple[int, int], tensor: tuple[int, int]) -> "Fit":
        """How the card wants it.

        Args:
            preprocessing: The card's.
            picture: Width and height of the ORIGINAL.
            tensor: Width and height of the tensor.
        """
        whole, all_of_it = (0, 0, *picture), (0, 0, *tensor)
        if preprocessing.fit == "letterbox":
            scale = min(tensor[0] / picture[0], tensor[1] / picture[1])
            inner = tuple(max(1, min(full, round(side * scale))) for side, full in zip(picture, tensor, strict=True))
            return cls(whole, _in_the_middle((inner[0], inner[1]), tensor), tensor)
        if preprocessing.fit == "crop":
            return cls(_middle(picture, tensor, preprocessing.crop_share), all_of_it, tensor)
        return cls(whole, all_of_it, tensor)

    def lay(self, image: Image.Image, preprocessing: Preprocessing) -> NDArray[np.uint8]:
        """The tensor's pixels.

        Args:
            image: The ORIGINAL, mode RGB.
            preprocessing: The card's.

        Returns:
            (height, width, 3) uint8 RGB.
        """
        left, top, right, bottom = self.laid
        pixels = resize(image, right - left, bottom - top, preprocessing.resize_filter, self.seen)
        if (right - left, bottom - top) == self.size:
            return pixels
        canvas = np.empty((self.size[1], self.size[0], 3), np.uint8)
        canvas[:] = rgb_of(preprocessing.background)
        canvas[top:bottom, left:right] = pixels
        return canvas

    def back(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Places on the tensor as places in the ORIGINAL; what lies beside it is moved to its edge.

        Args:
            points: (..., 2) x and y in pixels of the tensor.
        """
        laid, seen = np.array(self.laid, float), np.array(self.seen, float)
        scale = (seen[2:] - seen[:2]) / (laid[2:] - laid[:2])
        places: NDArray[np.float64] = np.clip((points - laid[:2]) * scale + seen[:2], seen[:2], seen[2:])
        return places


def _middle(picture: tuple[int, int], tensor: tuple[int, int], share: float) -> tuple[float, float, float, float]:
    """What is seen of a picture that is resized as a whole, and whose middle is cut out then.

    PyTorch's libraries do it in these steps, each to whole pixels, and networks are measured on such pictures.
    """
    covered = [math.floor(round(side / share, 6)) for side in tensor]  # rounded first: 224 / 0.7 is just below 320
    short = 0 if covered[0] * picture[1] >= covered[1] * picture[0] else 1  # 0 where the width just covers
    whole = [covered[short] * side // picture[short] for side in picture]
    starts = [round((full - side) / 2) for full, side in zip(whole, tensor, strict=True)]
    ends = [start + side for start, side in zip(starts, tensor, strict=True)]
    left, top = (start * side / full for start, side, full in zip(starts, picture, whole, strict=True))
    right, bottom = (end * side / full for end, side, full in zip(ends, picture, whole, strict=True))
    return left, top, right, bottom


def _in_the_middle(inner: tuple[int, int], outer: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top = ((whole - part) // 2 for part, whole in zip(inner, outer, strict=True))
    return left, top, left + inner[0], top + inner[1]
