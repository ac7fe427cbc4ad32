"""Where in a picture augmentation looks: random affine maps, of pictures and of boxes alike."""

import torch
from torch import Tensor
from torch.nn import functional

from training.augmentation.chance import Chance

Placement = tuple[Tensor, Tensor]
"""(N, 2, 2) and (N, 2): a position in the result, -0.5 to 0.5 about its centre, is at `matrix @ position + origin` in
the picture it came from, in the same unit."""


def draw(heads: Tensor, chance: Chance) -> Placement:
    """Look at the whole picture or at the head within it, a little aside, turned, larger or smaller, or mirrored.

    Args:
        heads: (N, 4) what is not background, in fractions of the picture.
        chance: decides.
    """
    count = len(heads)
    whole = torch.tensor([0.0, 0.0, 1.0, 1.0], device=heads.device)
    # Half of the views begin with the head filling the picture, so that margins say nothing of the source.
    base = torch.where(chance.sometimes(count, 0.5).view(-1, 1), heads, whole)
    zoom = chance.uniform(count, -0.28, 0.28, 1).exp()
    stretch = (0.09 * chance.normal(count, 1)).clamp(-0.25, 0.25).exp()
    extent = (base[:, 2:] - base[:, :2]) * zoom * torch.cat([stretch, 1 / stretch], 1)
    few_turns = chance.sometimes(count, 0.7).view(-1)
    angle = torch.where(few_turns, 0.12 * chance.normal(count), chance.uniform(count, -0.6, 0.6))
    mirror = torch.where(chance.sometimes(count, 0.5).view(-1), -1.0, 1.0)
    cosine, sine = angle.cos(), angle.sin()
    turned = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)
    scale = torch.stack([extent[:, 0] * mirror, extent[:, 1]], 1)
    aside = chance.uniform(count, -0.09, 0.09, 2) * extent
    return turned * scale.unsqueeze(1), (base[:, :2] + base[:, 2:]) / 2 - 0.5 + aside


def cut(pictures: Tensor, placement: Placement, side: int) -> Tensor:
    """(N, 1, S', S') to (N, 1, side, side); black where there is nothing."""
    matrix, origin = placement
    theta = torch.cat([matrix, 2 * origin.unsqueeze(2)], 2)
    grid = functional.affine_grid(theta, [len(pictures), 1, side, side], align_corners=False)
    return functional.grid_sample(pictures, grid, mode="bilinear", align_corners=False)


def move(boxes: Tensor, placement: Placement) -> Tensor:
    """The boxes, (N, 4), about the ELLIPSES that the given ones enclose, after the same map.

    Tumours are round rather than angular: corners of a turned box would enclose too much.
    """
    matrix, origin = placement
    inverse = torch.linalg.inv(matrix)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 - 0.5 - origin
    halves = (boxes[:, 2:] - boxes[:, :2]) / 2
    moved = (inverse @ centres.unsqueeze(2)).squeeze(2) + 0.5
    reach = (inverse * halves.unsqueeze(1)).square().sum(2).sqrt()
    return torch.cat([moved - reach, moved + reach], 1)


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
