"""Augmentation of whole batches on the device that trains. It hides what tells the sources of the pictures apart.

The slices without a tumour come from another collection than those with one, with other margins, aspect ratios,
windows, sharpness and compression. Each of these is drawn anew here for every picture, from the same distribution for
all classes, so that a network gains little from reading them.
"""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from training.augmentation import places
from training.augmentation.chance import Chance
from training.run_settings import SIDE

BLOCK: Final = 8
"""Pixels a side of the squares that JPEG compresses."""


class Augmentation:
    """Draws pictures and boxes anew, from a generator of its own.

    Args:
        seed: of the generator.
        device: where the batches are.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._chance = Chance(seed, device)

    def __call__(self, images: Tensor, boxes: Tensor, heads: Tensor) -> tuple[Tensor, Tensor]:
        """Augment a batch.

        Args:
            images: (N, S', S') uint8.
            boxes: (N, 4) float32 left, top, right, bottom in fractions.
            heads: (N, 4) the same for what is not background.

        Returns:
            (N, 1, S, S) float32, 0 to 255, and (N, 4) boxes, which may lie outside the picture in part.
        """
        placement = places.draw(heads, self._chance)
        pictures = places.cut(images.unsqueeze(1).float(), placement, SIDE)
        for change in (self._bias, self._tone, self._sharpness, self._floor, self._noise, self._jpeg, self._border):
            pictures = change(pictures)
        return pictures.clamp(0, 255), places.move(boxes, placement)

    def _some(self, probability: float, pictures: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
        return torch.where(self._chance.sometimes(len(pictures), probability), change(pictures), pictures)

    def _bias(self, pictures: Tensor) -> Tensor:
        """Brighter here, darker there, as near a coil."""
        coarse = 0.25 * self._chance.normal(len(pictures), 1, 4, 4)
        field = functional.interpolate(coarse, size=pictures.shape[2:], mode="bicubic").exp()
        return self._some(0.4, pictures, lambda given: (given * field).clamp(0, 255))

    def _tone(self, pictures: Tensor) -> Tensor:
        """A random rising curve of brightness through 0 and 255: window, gamma and contrast in one, never inverted."""
        count, knots = len(pictures), 8
        steps = self._chance.uniform(count, 0.05, 1, knots) ** 2
        curve = functional.pad(steps.cumsum(1) / steps.sum(1, keepdim=True), (1, 0))
        straight = torch.linspace(0, 1, knots + 1, device=self._chance.device)
        mixed = torch.lerp(straight.expand_as(curve), curve, self._chance.uniform(count, 0, 0.8, 1))
        gamma = (0.6 * self._chance.uniform(count, -1, 1, 1, 1, 1)).exp()
        position = (pictures / 255) * knots
        cell = position.floor().clamp(0, knots - 1).long()
        flat = cell.flatten(1)
        low, high = mixed.gather(1, flat), mixed.gather(1, flat + 1)
        toned = torch.lerp(low, high, position.flatten(1) - flat).view_as(pictures)
        bright = toned.clamp(1e-4, 1) ** gamma
        return self._some(0.85, pictures, lambda _: bright * self._chance.uniform(count, 180, 290, 1, 1, 1)).clamp(
            0, 255
        )

    def _sharpness(self, pictures: Tensor) -> Tensor:
        """Softer or crisper."""
        sigma = self._chance.uniform(len(pictures), 0.4, 1.6, 1)
        offsets = torch.arange(-4, 5, device=self._chance.device)
        kernel = functional.softmax(-0.5 * (offsets / sigma) ** 2, 1)
        batch = pictures.transpose(0, 1)
        blurred = functional.conv2d(batch, kernel.view(-1, 1, 9, 1), padding=(4, 0), groups=len(pictures))
        blurred = functional.conv2d(blurred, kernel.view(-1, 1, 1, 9), padding=(0, 4), groups=len(pictures))
        amount = self._chance.uniform(len(pictures), -1.2, 1.0, 1, 1, 1)
        mixed = pictures + amount * (blurred.transpose(0, 1) - pictures)
        return self._some(0.6, pictures, lambda _: mixed.clamp(0, 255))

    def _floor(self, pictures: Tensor) -> Tensor:
        """A background that is not quite black, or blacker than it was."""
        floor = self._chance.uniform(len(pictures), -20, 25, 1, 1, 1)
        return self._some(0.5, pictures, lambda given: (floor + given * (1 - floor / 255)).clamp(0, 255))

    def _noise(self, pictures: Tensor) -> Tensor:
        noise = self._chance.normal(*pictures.shape) * self._chance.uniform(len(pictures), 0, 12, 1, 1, 1)
        return self._some(0.5, pictures, lambda given: (given + noise).clamp(0, 255))

    def _jpeg(self, pictures: Tensor) -> Tensor:
        """Rounds the cosine transform of each 8 x 8 square, coarser for high frequencies, as JPEG does."""
        count, _, height, width = pictures.shape
        cosines = _cosines(self._chance.device)
        squares = pictures.view(count, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(2, 3)
        frequencies = torch.arange(BLOCK, device=self._chance.device)
        coarseness = 1 + frequencies.view(-1, 1) + frequencies
        step = coarseness * self._chance.uniform(count, 0.5, 6, 1, 1, 1, 1)
        rounded = ((cosines @ squares @ cosines.T) / step).round() * step
        back = (cosines.T @ rounded @ cosines).transpose(2, 3).reshape(pictures.shape)
        return self._some(0.5, pictures, lambda _: back.clamp(0, 255))

    def _border(self, pictures: Tensor) -> Tensor:
        """Paints over strips at the edges, as frames, rulers and crops do."""
        count, side = len(pictures), pictures.shape[-1]
        along = (torch.arange(side, device=self._chance.device) + 0.5) / side
        strip = self._chance.uniform(count, -0.06, 0.06, 4, 1)
        near, far = along < strip[:, :2], along > 1 - strip[:, 2:]
        painted = (near | far)[:, :1].unsqueeze(2) | (near | far)[:, 1:].unsqueeze(3)
        grey = self._chance.uniform(count, 0, 1, 1, 1, 1) ** 4 * 255
        return self._some(0.3, pictures, lambda given: torch.where(painted, grey, given))


def _cosines(device: torch.device) -> Tensor:
    """(8, 8) the orthonormal discrete cosine transform."""
    frequency = torch.arange(BLOCK, device=device).view(-1, 1)
    place = torch.arange(BLOCK, device=device) + 0.5
    rows = torch.cos(torch.pi / BLOCK * frequency * place) * (2 / BLOCK) ** 0.5
    rows[0] /= 2**0.5
    return rows
