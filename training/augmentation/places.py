"""Where in a slice augmentation looks: random affine maps, of pictures and of masks alike."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.augmentation.chance import Chance

Placement = tuple[Tensor, Tensor]
"""(N, 2, 2) and (N, 2): a position in the result, -0.5 to 0.5 about its centre, is at `matrix @ position + origin` in
the picture it came from, in the same unit."""


@dataclass(frozen=True)
class Views:
    """How often a view is of a kind that not every source has.

    Attributes:
        turns: turned by quarters.
        wide: the head is small in a wide frame.
        crops: the frame cuts into the head.
    """

    turns: float = 0.3
    wide: float = 0.12
    crops: float = 0.12


def draw(heads: Tensor, chance: Chance, views: Views) -> Placement:
    """Look at the whole picture or at the head within it, a little aside, turned, larger or smaller, or mirrored.

    Args:
        heads: (N, 4) what is not background, in fractions of the picture.
        chance: decides.
        views: how often.
    """
    count = len(heads)
    whole = torch.tensor([0.0, 0.0, 1.0, 1.0], device=heads.device)
    # Half of the views begin with the head filling the picture, so that margins say nothing of the source.
    base = torch.where(chance.sometimes(count, 0.5), heads, whole)
    extent = base[:, 2:] - base[:, :2]
    zoom = chance.uniform(count, -0.28, 0.28, 1).exp()
    wide = chance.sometimes(count, views.wide)
    crop = chance.sometimes(count, views.crops) & ~wide
    zoom = torch.where(wide, chance.uniform(count, 1.2, 1.8, 1), zoom)
    zoom = torch.where(crop, chance.uniform(count, 0.5, 0.75, 1), zoom)
    stretch = (0.09 * chance.normal(count, 1)).clamp(-0.3, 0.3).exp()
    scale = extent * zoom * torch.cat([stretch, 1 / stretch], 1)
    few = torch.where(chance.sometimes(count, 0.7), 0.12 * chance.normal(count, 1), chance.uniform(count, -0.6, 0.6, 1))
    quarters = chance.whole(count, 4).view(-1, 1) * chance.sometimes(count, views.turns)
    angle = (few + quarters * (math.pi / 2))[:, 0]
    mirror = torch.where(chance.sometimes(count, 0.5), -1.0, 1.0)
    cosine, sine = angle.cos(), angle.sin()
    turned = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)
    matrix = scale.unsqueeze(2) * turned * torch.cat([mirror, torch.ones_like(mirror)], 1).unsqueeze(1)
    reach = torch.where(crop, 0.3, 0.09)
    aside = chance.uniform(count, -1, 1, 2) * reach * extent
    return matrix, (base[:, :2] + base[:, 2:]) / 2 - 0.5 + aside


def cut(pictures: Tensor, placement: Placement, side: int) -> Tensor:
    """(N, C, S', S') to (N, C, side, side); black where there is nothing."""
    matrix, origin = placement
    return moved(pictures, matrix, 2 * origin, side)


def moved(pictures: Tensor, matrix: Tensor, shift: Tensor, side: int) -> Tensor:
    """(N, C, side, side): what lies at `matrix @ position + shift`, positions from -1 to 1 about the centre."""
    theta = torch.cat([matrix, shift.unsqueeze(2)], 2)
    grid = functional.affine_grid(theta, [len(pictures), 1, side, side], align_corners=False)
    return functional.grid_sample(pictures, grid, mode="bilinear", align_corners=False)


def heads(images: Tensor) -> Tensor:
    """(N, 4) the smallest box about all rows and columns of (N, S, S) uint8 that are not nearly black."""
    side = images.shape[-1]
    lit = images.float()
    threshold = 0.25 * lit.mean((1, 2), keepdim=True) + 8
    found = []
    for axis in (1, 2):
        busy = (lit > threshold).float().mean(axis) > 0.03  # noqa: PLR2004 - a specter of noise is no head
        ahead = busy.float().argmax(1) / side
        behind = 1 - busy.flip(1).float().argmax(1) / side
        found.append((ahead, behind))
    (left, right), (top, bottom) = found
    return torch.stack([left, top, right, bottom], 1)
