"""Slices of the same source that show no tumour: it is filled from the other side of the head or from elsewhere.

A decoy fills a place where no tumour was in the same way, and a copy puts the tumour on the other side as well: then
neither a fill nor a difference between the sides is a sign by itself.
"""

from typing import Final

import torch
from torch import Tensor

from training.augmentation.chance import Chance
from training.augmentation.places import moved
from training.augmentation.pooling import feathered
from training.augmentation.symmetry import Axes, reflect

ALIKE: Final = 0.8
"""From this likeness on the other side may stand in."""
EDGE: Final = 0.016
"""How far a fill reaches beyond the tumour's outline, as a share of the side."""
RING: Final = 0.035
"""How far out its surroundings reach, whose brightness it takes."""
LEAST_TOUCH: Final = 1.0
"""Masks that share less than a pixel do not touch."""


class Filling:
    """Fills places of a batch.

    Args:
        axes: of the batch's slices.
        heads: (N, 4) their heads, in fractions of the picture.
        chance: decides.
    """

    def __init__(self, axes: Axes, heads: Tensor, chance: Chance) -> None:
        self._axes = axes
        self._heads = heads
        self._chance = chance

    def erase(self, pictures: Tensor, masks: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take away the tumours at the indices `chosen`, where there is something to fill them with.

        Returns:
            pictures and masks, (N, 1, S, S), and the indices that have no tumour any more.
        """
        if not len(chosen):
            return pictures, masks, chosen
        filled, fits = self._fill(pictures[chosen], masks[chosen], masks[chosen], chosen)
        gone = chosen[fits]
        return pictures.index_copy(0, gone, filled[fits]), masks.index_fill(0, gone, 0), gone

    def decoy(self, pictures: Tensor, masks: Tensor, chosen: Tensor) -> Tensor:
        """Fill where another slice has its tumour, if that is not where this one's is."""
        if not len(chosen):
            return pictures
        others = masks.roll(1, 0)[chosen]
        filled, fits = self._fill(pictures[chosen], masks[chosen], others, chosen)
        fits &= (feathered((others > 0.5).float(), EDGE) * masks[chosen]).sum((1, 2, 3)) < LEAST_TOUCH  # noqa: PLR2004
        return pictures.index_copy(0, chosen[fits], filled[fits])

    def copy(self, pictures: Tensor, masks: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Put the tumour on the other side as well."""
        chosen = chosen[self._axes.likeness[chosen] > ALIKE]
        if not len(chosen):
            return pictures, masks
        own, tumours = pictures[chosen], masks[chosen]
        other = reflect(torch.cat([own, tumours], 1), self._axes.angles[chosen], self._axes.offsets[chosen])
        place = feathered((other[:, 1:] > 0.5).float(), EDGE)  # noqa: PLR2004 - half a pixel
        apart = (place * tumours).sum((1, 2, 3)) < LEAST_TOUCH
        both = torch.lerp(own, other[:, :1], place)
        return (
            pictures.index_copy(0, chosen[apart], both[apart]),
            masks.index_copy(0, chosen[apart], torch.maximum(tumours, other[:, 1:])[apart]),
        )

    def _fill(self, pictures: Tensor, tumours: Tensor, holes: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 1, S, S) with the holes filled, and (n,) whether what fills them shows no tumour."""
        both = torch.cat([pictures, torch.maximum(tumours, holes)], 1)
        mirrored = reflect(both, self._axes.angles[own], self._axes.offsets[own])
        mirror = (self._axes.likeness[own] > ALIKE) & self._chance.sometimes(len(own), 0.8)[:, 0]
        source = torch.where(mirror.view(-1, 1, 1, 1), mirrored, self._shifted(both, holes, own))
        hole = (holes > 0.5).float()  # noqa: PLR2004 - half a pixel
        place = feathered(hole, EDGE)
        size = place.sum((1, 2, 3))
        fits = ((source[:, 1:] * place).sum((1, 2, 3)) < 0.02 * size) & (size > 0)
        ring = (feathered(hole, RING) - place).clamp(min=0)
        wanted, had = ((each * ring).sum((1, 2, 3), keepdim=True) for each in (pictures, source[:, :1]))
        least = 8 * ring.sum((1, 2, 3), keepdim=True).clamp(min=1)
        brightness = (wanted / had.clamp(min=least)).clamp(0.6, 1.6)
        return torch.lerp(pictures, (source[:, :1] * brightness).clamp(0, 255), place), fits

    def _shifted(self, both: Tensor, holes: Tensor, own: Tensor) -> Tensor:
        """The pictures moved so that another place of the head comes to lie over the hole."""
        side = both.shape[-1]
        along = torch.linspace(-1 + 1 / side, 1 - 1 / side, side, device=both.device)
        area = holes.sum((1, 2, 3)) + 1e-3
        centre = torch.stack([(holes.sum(2)[:, 0] * along).sum(1), (holes.sum(3)[:, 0] * along).sum(1)], 1)
        middle = self._heads[own, :2] + self._heads[own, 2:] - 1
        wanted = middle + self._chance.uniform(len(own), -0.35, 0.35, 2)
        still = torch.eye(2, device=both.device).expand(len(own), 2, 2)
        return moved(both, still, wanted - centre / area.unsqueeze(1), side)
