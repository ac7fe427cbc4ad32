"""The plane about which a head is symmetrical, as far as it is: what a tumour hides is seen on the other side."""

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from training.augmentation.places import moved

LARGEST_ANGLE: Final = 0.3
LARGEST_OFFSET: Final = 0.16
PORTION: Final = 48
"""Slices looked at together."""


@dataclass(frozen=True)
class Axes:
    """The best mirror line of each of N slices.

    Attributes:
        angles: (N,) of the line's normal, radians from the x axis.
        offsets: (N,) from the picture's centre along the normal, in fractions of the side.
        likeness: (N,) correlation of both sides, tumours left out; 1 is the same.
    """

    angles: Tensor
    offsets: Tensor
    likeness: Tensor


def find(images: Tensor, masks: Tensor) -> Axes:
    """Search coarsely on small pictures, then about the best.

    Args:
        images: (N, 1, S, S) uint8.
        masks: (N, 1, S, S) uint8, 255 where the tumour is.
    """
    portions = zip(images.split(PORTION), masks.split(PORTION), strict=True)
    found = [_search(torch.cat([image.float(), mask.float() / 255], 1)) for image, mask in portions]
    return Axes(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def reflect(pictures: Tensor, angles: Tensor, offsets: Tensor) -> Tensor:
    """(N, C, S, S) mirrored at a line; what comes from outside is black."""
    x, y = angles.cos(), angles.sin()
    matrix = torch.stack([torch.stack([1 - 2 * x * x, -2 * x * y], 1), torch.stack([-2 * x * y, 1 - 2 * y * y], 1)], 1)
    return moved(pictures, matrix, 4 * offsets.unsqueeze(1) * torch.stack([x, y], 1), pictures.shape[-1])


def _search(both: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    small, fine = (functional.interpolate(both, size=side, mode="area") for side in (24, 48))
    angles = torch.linspace(-LARGEST_ANGLE, LARGEST_ANGLE, 7, device=both.device)
    offsets = torch.linspace(-LARGEST_OFFSET, LARGEST_OFFSET, 9, device=both.device)
    lines = torch.cartesian_prod(torch.cat([angles, angles + math.pi / 2]), offsets).unsqueeze(0)
    best = _best(small, lines)
    steps = torch.linspace(-1, 1, 3, device=both.device)
    for angle, offset in ((0.05, 0.02), (0.025, 0.01)):
        near = torch.cartesian_prod(angle * steps, offset * steps).unsqueeze(0)
        best = _best(fine, torch.stack(best[:2], 1).unsqueeze(1) + near)
    return best


def _best(both: Tensor, lines: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of K lines each, (N or 1, K, 2) angle and offset, the best: angles, offsets and likeness, (N,)."""
    count, tried = len(both), lines.shape[1]
    lines = lines.expand(count, tried, 2)
    # All lines of all slices at once: few large steps keep the cores busier than many small ones.
    pictures = both.repeat_interleave(tried, 0)
    likeness = _likeness(pictures, reflect(pictures, *lines.reshape(-1, 2).unbind(1))).view(count, tried)
    highest, place = likeness.max(1)
    best = lines[torch.arange(count, device=both.device), place]
    return best[:, 0], best[:, 1], highest


def _likeness(one: Tensor, other: Tensor) -> Tensor:
    """(N,) correlation of the pictures, channel 0, where neither has a tumour, channel 1."""
    seen = ((one[:, 1] < 0.1) & (other[:, 1] < 0.1)).float()  # noqa: PLR2004 - nearly nothing
    count = seen.sum((1, 2), keepdim=True) + 1
    near, far = (seen * (each - (seen * each).sum((1, 2), keepdim=True) / count) for each in (one[:, 0], other[:, 0]))
    spread = (near.square().sum((1, 2)) * far.square().sum((1, 2))).sqrt()
    return (near * far).sum((1, 2)) / spread.clamp(min=1e-6)
