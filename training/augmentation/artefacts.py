"""What scanners, files and screens do to a slice: softness, noise, JPEG, frames. (N, 1, S, S), 0 to 255."""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from training.augmentation.chance import Chance

BLOCK: Final = 8
"""Pixels a side of the squares that JPEG compresses."""
REACH: Final = 3
"""Pixels to each side that a blur reaches."""


def sharpness(pictures: Tensor, chance: Chance) -> Tensor:
    """Softer or crisper."""
    count, _, height, width = pictures.shape
    sigma = chance.uniform(count, 0.4, 1.6, 1) * width / 192
    offsets = torch.arange(-REACH, REACH + 1, device=chance.device)
    kernel = functional.softmax(-0.5 * (offsets / sigma) ** 2, 1).view(count, -1, 1, 1, 1)
    padded = functional.pad(pictures, (0, 0, REACH, REACH), mode="replicate")
    down = padded[:, :, :height] * kernel[:, 0]
    for step in range(1, 2 * REACH + 1):
        down.addcmul_(padded[:, :, step : step + height], kernel[:, step])
    padded = functional.pad(down, (REACH, REACH, 0, 0), mode="replicate")
    soft = padded[..., :width] * kernel[:, 0]
    for step in range(1, 2 * REACH + 1):
        soft.addcmul_(padded[..., step : step + width], kernel[:, step])
    return pictures + chance.uniform(count, -1.2, 1.0, 1, 1, 1) * (soft - pictures)


def noise(pictures: Tensor, chance: Chance) -> Tensor:
    """As of a magnitude, which lifts what is black, or the same everywhere."""
    count = len(pictures)
    one, other = chance.normal(2, *pictures.shape) * chance.uniform(count, 0, 13, 1, 1, 1)
    everywhere = chance.sometimes(count, 0.5).view(-1, 1, 1, 1)
    return torch.where(everywhere, pictures + one, torch.hypot(pictures + one, other))


def jpeg(pictures: Tensor, chance: Chance) -> Tensor:
    """Rounds the cosine transform of each 8 x 8 square, coarser for high frequencies, as JPEG does."""
    count, _, height, width = pictures.shape
    cosines = _cosines(chance.device)
    # One product of matrices for all squares: transform the rows, then the columns.
    across = (pictures.reshape(-1, BLOCK) @ cosines.T).view(count, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    both = across.transpose(2, 4).reshape(-1, BLOCK) @ cosines.T
    frequencies = torch.arange(BLOCK, device=chance.device)
    coarseness = 1 + frequencies.view(-1, 1) + frequencies
    step = coarseness * chance.uniform(count, 0.5, 6, 1, 1, 1, 1)
    squares = both.view(count, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    rounded = (squares / step.transpose(2, 3)).round() * step.transpose(2, 3)
    back = (rounded.reshape(-1, BLOCK) @ cosines).view_as(squares).transpose(2, 4)
    return (back.reshape(-1, BLOCK) @ cosines).view_as(pictures)


def border(pictures: Tensor, chance: Chance) -> Tensor:
    """Paints over strips at the edges, as frames, rulers and crops do."""
    count, side = len(pictures), pictures.shape[-1]
    along = (torch.arange(side, device=chance.device) + 0.5) / side
    strip = chance.uniform(count, -0.06, 0.06, 4, 1)
    edges = (along < strip[:, :2]) | (along > 1 - strip[:, 2:])
    painted = edges[:, :1].unsqueeze(2) | edges[:, 1:].unsqueeze(3)
    return torch.where(painted, chance.uniform(count, 0, 1, 1, 1, 1) ** 4 * 255, pictures)


def _cosines(device: torch.device) -> Tensor:
    """(8, 8) the orthonormal discrete cosine transform."""
    frequency = torch.arange(BLOCK, device=device).view(-1, 1)
    place = torch.arange(BLOCK, device=device) + 0.5
    rows = torch.cos(torch.pi / BLOCK * frequency * place) * (2 / BLOCK) ** 0.5
    rows[0] /= 2**0.5
    return rows
