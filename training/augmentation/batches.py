"""Draws batches: slices with tumours, filled ones, ones of the other source, and pictures that are no brain."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from training.augmentation import places, symmetry
from training.augmentation.chain import Chain
from training.augmentation.chance import Chance
from training.augmentation.filling import Filling
from training.augmentation.outliers import outliers
from training.data import Slices, resized
from training.run_settings import NONE, Phase, RunSettings

LEAST_VISIBLE: float = 0.3
"""A tumour of which the frame leaves a smaller share has no class; what is seen of it stays in the mask."""
LARGE: float = 200.0
"""Pixels of a tumour of which any share is enough to see: it counts as no larger than this."""


class Batch(NamedTuple):
    """What a step learns from.

    Attributes:
        pictures: (N, 1, S, S) float32, 0 to 255.
        masks: (N, 1, S, S) float32, 0 to 1.
        classes: (N,) index or NONE.
        outliers: (N,) float32, 1 for a picture that is no brain.
    """

    pictures: Tensor
    masks: Tensor
    classes: Tensor
    outliers: Tensor


class Tables:
    """The slices of a run on the device, at one size."""

    def __init__(self, slices: Slices, side: int, device: torch.device) -> None:
        scaled = resized(slices, side)
        self.images = torch.from_numpy(scaled.images).to(device).unsqueeze(1)
        self.masks = torch.from_numpy(scaled.masks).to(device).unsqueeze(1)
        self.classes = torch.from_numpy(scaled.classes).to(device)
        self.heads = places.heads(self.images[:, 0])


class Batches:
    """The batches of a run.

    Args:
        train: slices with tumours, and slices of the other source without (their class is NONE).
        settings: the run.
        device: where to.
    """

    def __init__(self, train: Slices, settings: RunSettings, device: torch.device) -> None:
        tumour = train.classes != NONE
        self._own, self._foreign = train.take(tumour), train.take(~tumour)
        self._settings, self._device = settings, device
        self._chance = Chance(settings.seed + 1, device)
        self._chain = Chain(self._chance, settings.leave_out)
        # A patient counts by the root of its slices, so does a class; a cluster of copies counts about once.
        self._weights = torch.from_numpy(_sizes(self._own.groups) ** -0.5 * _sizes(self._own.classes) ** -0.5).to(
            device
        )
        self._foreign_weights = torch.from_numpy(_sizes(self._foreign.groups) ** -0.7).to(device)
        self._axes: symmetry.Axes | None = None
        self.steps = max(1, len(self._own) // settings.batch_size)

    def phase(self, phase: Phase) -> Iterator[Batch]:
        """All batches of a phase."""
        own = Tables(self._own, phase.source_side, self._device)
        foreign = Tables(self._foreign, phase.source_side, self._device) if len(self._foreign) else None
        settings = self._settings
        if self._axes is None and settings.copies + settings.decoys + settings.erased > 0:
            self._axes = symmetry.find(own.images, own.masks)
        for _ in range(phase.epochs * self.steps):
            yield self._batch(own, foreign, phase.side)

    def _batch(self, own: Tables, foreign: Tables | None, side: int) -> Batch:
        size = self._settings.batch_size
        others = round(size * self._settings.foreign) if foreign else 0
        pictures, masks, classes, heads = self._tumours(own, size - others)
        if foreign and others:
            drawn = self._chance.drawn(self._foreign_weights, others)
            pictures = torch.cat([pictures, foreign.images[drawn].float()])
            masks = torch.cat([masks, foreign.masks[drawn].float()])
            classes = torch.cat([classes, foreign.classes[drawn]])
            heads = torch.cat([heads, foreign.heads[drawn]])
        strange = round(size * self._settings.outliers)
        if strange:
            made = outliers(pictures[self._chance.whole(strange, len(pictures))], self._chance)
            pictures, masks = torch.cat([pictures, made]), torch.cat([masks, torch.zeros_like(made)])
            classes = torch.cat([classes, classes.new_full((strange,), NONE)])
            heads = torch.cat([heads, heads.new_tensor([[0.0, 0.0, 1.0, 1.0]]).expand(strange, 4)])
        viewed, seen = self._chain(pictures, masks, heads, side)
        whole = masks.sum((1, 2, 3)) * (side / masks.shape[-1]) ** 2
        cut_away = seen.sum((1, 2, 3)) < LEAST_VISIBLE * whole.clamp(max=LARGE)
        classes = torch.where(cut_away, NONE, classes)
        flags = torch.zeros(len(viewed), device=self._device)
        flags[size:] = 1
        return Batch(viewed.contiguous(memory_format=torch.channels_last), seen, classes, flags)

    def _tumours(self, own: Tables, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Slices of patients, some with a second tumour, a decoy, or none any more."""
        drawn = self._chance.drawn(self._weights, count)
        pictures, masks = own.images[drawn].float(), own.masks[drawn].float() / 255
        if self._axes is None:
            return pictures, masks, own.classes[drawn], own.heads[drawn]
        axes = symmetry.Axes(*(each[drawn] for each in (self._axes.angles, self._axes.offsets, self._axes.likeness)))
        filling = Filling(axes, own.heads[drawn], self._chance)
        settings, chance = self._settings, self._chance
        pictures, masks = filling.copy(pictures, masks, chance.some(count, settings.copies))
        pictures = filling.decoy(pictures, masks, chance.some(count, settings.decoys))
        pictures, masks, gone = filling.erase(pictures, masks, chance.some(count, settings.erased))
        return pictures, masks, own.classes[drawn].index_fill(0, gone, NONE), own.heads[drawn]


def _sizes(groups: "np.ndarray[tuple[int], np.dtype[np.generic]]") -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """(N,) how many are in the group of each."""
    _, own, counts = np.unique(groups, return_inverse=True, return_counts=True)
    sizes: np.ndarray[tuple[int], np.dtype[np.float64]] = counts[own].astype(float)
    return sizes
