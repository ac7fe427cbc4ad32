"""Brightness as sources differ in it: coils, windows, gamma, a floor that is not black. (N, 1, S, S), 0 to 255."""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from training.augmentation.chance import Chance

KNOTS: Final = 8
LEVELS: Final = 1024
"""Steps of a curve of brightness as it is looked up."""


def shading(pictures: Tensor, chance: Chance) -> Tensor:
    """Brighter here, darker there, as near a coil."""
    coarse = 0.25 * chance.normal(len(pictures), 1, 4, 4)
    small = functional.interpolate(coarse, size=(32, 32), mode="bicubic").exp()
    return pictures * functional.interpolate(small, size=pictures.shape[2:], mode="bilinear")


def curve(pictures: Tensor, chance: Chance) -> Tensor:
    """A random rising curve of brightness: gamma and contrast in one, never inverted."""
    count = len(pictures)
    steps = chance.uniform(count, 0.05, 1, KNOTS) ** 2
    bent = functional.pad(steps.cumsum(1) / steps.sum(1, keepdim=True), (1, 0))
    straight = torch.linspace(0, 1, KNOTS + 1, device=chance.device)
    mixed = torch.lerp(straight.expand_as(bent), bent, chance.uniform(count, 0, 0.8, 1))
    gamma = (0.6 * chance.uniform(count, -1, 1, 1)).exp()
    fine = functional.interpolate(mixed.unsqueeze(1), size=LEVELS, mode="linear", align_corners=True)[:, 0]
    table = fine.clamp(1e-4, 1) ** gamma * chance.uniform(count, 180, 290, 1)
    places = (pictures * ((LEVELS - 1) / 255)).long().clamp_(0, LEVELS - 1)
    return table.gather(1, places.flatten(1)).view_as(pictures)


def floor(pictures: Tensor, chance: Chance) -> Tensor:
    """A background that is not quite black, or blacker than it was."""
    level = chance.uniform(len(pictures), -20, 25, 1, 1, 1)
    return level + pictures * (1 - level / 255)


def window(pictures: Tensor, chance: Chance) -> Tensor:
    """A picture of 16 bits through a window: clipped at both ends, or so wide that few levels are left."""
    count = len(pictures)
    top = pictures.amax((1, 2, 3), keepdim=True)
    low = chance.uniform(count, -0.1, 0.12, 1, 1, 1) * top
    high = chance.uniform(count, 0.45, 1.3, 1, 1, 1) * top
    shown = ((pictures - low) / (high - low).clamp(min=1)).clamp(0, 1)
    levels = 255 * chance.uniform(count, -2.5, 0, 1, 1, 1).exp()
    # Half stay dark, as a picture divided by 256 does; the network sees the levels, not the brightness.
    bright = torch.where(chance.sometimes(count, 0.5).view(-1, 1, 1, 1), 255 / levels, 1)
    return (shown * levels).round() * bright
