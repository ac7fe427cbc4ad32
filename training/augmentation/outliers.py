"""Pictures that are no brain slice, made of slices and of nothing: what the network is to recognise as strange."""

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from training.augmentation.chance import Chance

LEAVES: Final = 12
"""Ellipses that cover each other."""


def outliers(slices: Tensor, chance: Chance) -> Tensor:
    """As many as there are slices, (N, 1, S, S), 0 to 255, each of a kind drawn by chance; S is a multiple of 4."""
    makers = (panels, shuffled, scrambled, leaves, texture, blob, plain)
    kinds = chance.whole(len(slices), len(makers))
    made = torch.empty_like(slices)
    for index, maker in enumerate(makers):
        own = torch.nonzero(kinds == index)[:, 0]
        if len(own):
            made[own] = maker(slices, own, chance).clamp(0, 255)
    return made


def panels(slices: Tensor, own: Tensor, chance: Chance) -> Tensor:
    """Four slices in one picture."""
    count = len(own)
    four = functional.avg_pool2d(slices[chance.whole(4 * count, len(slices))], 2).view(4, count, 1, *_half(slices))
    return torch.cat([torch.cat([four[0], four[1]], 3), torch.cat([four[2], four[3]], 3)], 2)


def shuffled(slices: Tensor, own: Tensor, chance: Chance) -> Tensor:
    """The slice cut into sixteen squares, which change places."""
    count, part = len(own), slices.shape[-1] // 4
    squares = slices[own].view(count, 4, part, 4, part).permute(0, 1, 3, 2, 4).reshape(count, 16, part * part)
    order = chance.uniform(count, 0, 1, 16).argsort(1).unsqueeze(2).expand_as(squares)
    mixed = squares.gather(1, order).view(count, 4, 4, part, part).permute(0, 1, 3, 2, 4)
    return mixed.reshape(count, 1, 4 * part, 4 * part)


def scrambled(slices: Tensor, own: Tensor, chance: Chance) -> Tensor:
    """The slice's frequencies with other phases: its greys without its shapes."""
    waves = torch.fft.rfft2(slices[own])
    phases = 2 * math.pi * chance.uniform(len(own), 0, 1, *waves.shape[1:])
    return torch.fft.irfft2(torch.polar(waves.abs(), phases), s=slices.shape[2:])


def leaves(slices: Tensor, own: Tensor, chance: Chance) -> Tensor:
    """Grey ellipses over each other, as in a photograph of things."""
    count = len(own)
    made = chance.uniform(count, 0, 60, 1, 1, 1).expand(count, *slices.shape[1:])
    for _ in range(LEAVES):
        inside = _ellipse(count, slices.shape[-1], chance, least=0.05, most=0.55)
        made = torch.where(inside, chance.uniform(count, 0, 255, 1, 1, 1), made)
    return made + texture(slices, own, chance, strength=12.0) - 128


def texture(slices: Tensor, own: Tensor, chance: Chance, strength: float = 50.0) -> Tensor:
    """Smooth noise of any coarseness about a grey, as tissue under a microscope."""
    cells = int(2 ** (2 + 3.5 * float(chance.uniform(1, 0, 1))))
    coarse = chance.normal(len(own), 1, cells, cells) * strength
    grown = functional.interpolate(coarse, size=slices.shape[2:], mode="bilinear")
    level = 128 if strength < 20 else chance.uniform(len(own), 0, 255, 1, 1, 1)  # noqa: PLR2004 - a faint one
    return level + grown


def blob(slices: Tensor, own: Tensor, chance: Chance) -> Tensor:
    """One object on black that is no head: being alone in the dark makes no brain."""
    inside = _ellipse(len(own), slices.shape[-1], chance, least=0.3, most=0.9, aside=0.3)
    return torch.where(inside, leaves(slices, own, chance), chance.uniform(len(own), 0, 12, 1, 1, 1))


def plain(slices: Tensor, own: Tensor, chance: Chance) -> Tensor:
    """One grey, black and white among them, with or without noise."""
    count = len(own)
    level = (chance.uniform(count, -0.5, 1.5, 1, 1, 1) * 255).clamp(0, 255)
    return level + chance.normal(count, *slices.shape[1:]) * chance.uniform(count, -10, 20, 1, 1, 1).clamp(min=0)


def _ellipse(count: int, side: int, chance: Chance, *, least: float, most: float, aside: float = 1.0) -> Tensor:
    """(count, 1, side, side) bool."""
    along = torch.linspace(-1, 1, side, device=chance.device)
    centre = chance.uniform(count, -aside, aside, 2, 1, 1, 1)
    radius = chance.uniform(count, least, most, 2, 1, 1, 1)
    angle = chance.uniform(count, 0, math.pi, 1, 1, 1)
    across, down = along.view(1, 1, 1, -1) - centre[:, 0], along.view(1, 1, -1, 1) - centre[:, 1]
    x, y = across * angle.cos() + down * angle.sin(), down * angle.cos() - across * angle.sin()
    return (x / radius[:, 0]).square() + (y / radius[:, 1]).square() < 1


def _half(slices: Tensor) -> tuple[int, int]:
    return slices.shape[2] // 2, slices.shape[3] // 2
