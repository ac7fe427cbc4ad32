"""Neighbourhoods of pixels, (N, 1, H, W) float32: separable, so that large ones cost little."""

from torch import Tensor
from torch.nn import functional


def smoothed(pictures: Tensor, width: int) -> Tensor:
    """The mean of a square of odd `width` about each pixel."""
    half = width // 2
    across = functional.avg_pool2d(pictures, (1, width), 1, (0, half), count_include_pad=False)
    return functional.avg_pool2d(across, (width, 1), 1, (half, 0), count_include_pad=False)


def grown(pictures: Tensor, width: int) -> Tensor:
    """The highest value in a square of odd `width` about each pixel."""
    half = width // 2
    across = functional.max_pool2d(pictures, (1, width), 1, (0, half))
    return functional.max_pool2d(across, (width, 1), 1, (half, 0))


def shrunk(pictures: Tensor, width: int) -> Tensor:
    """The lowest value in a square of odd `width` about each pixel."""
    return -grown(-pictures, width)


def feathered(masks: Tensor, by: float) -> Tensor:
    """Masks of zeros and ones, grown by a share of the side and soft at the edge."""
    side = masks.shape[-1]
    soft = odd(2 * 0.012 * side)
    return smoothed(smoothed(grown(masks, odd(2 * by * side)), soft), soft)


def odd(width: float) -> int:
    """The nearest odd number of pixels, at least 3."""
    return max(3, 2 * round((width - 1) / 2) + 1)
