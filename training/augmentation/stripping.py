"""Heads without their skull, as many sets of slices have been prepared."""

import torch
from torch import Tensor
from torch.nn import functional

from training.augmentation.chance import Chance
from training.augmentation.pooling import grown, odd, shrunk, smoothed

LEAST: float = 0.1
"""Share of the picture that has to remain; otherwise the slice keeps its skull."""


def strip(pictures: Tensor, chance: Chance) -> Tensor:
    """(N, 1, S, S) with what lies near the outside of the head painted black."""
    count, side = len(pictures), pictures.shape[-1]
    lit = (pictures > 0.25 * pictures.mean((1, 2, 3), keepdim=True) + 8).float()
    closed = odd(0.05 * side)
    head = shrunk(grown(lit, closed), closed)
    thin, thick = shrunk(head, odd(0.07 * side)), shrunk(head, odd(0.10 * side))
    inner = torch.where(chance.sometimes(count, 0.5).view(-1, 1, 1, 1), thick, thin)
    wobble = functional.interpolate(0.2 * chance.normal(count, 1, 8, 8), size=(side, side), mode="bilinear")
    kept = ((smoothed(inner, 5) + wobble) > 0.5).float()  # noqa: PLR2004 - half
    enough = kept.mean((1, 2, 3), keepdim=True) > LEAST
    return torch.where(enough, pictures * kept, pictures)
