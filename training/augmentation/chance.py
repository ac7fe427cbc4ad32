"""The random numbers of augmentation: one generator with a seed of its own, on the device that trains."""

from collections.abc import Callable

import torch
from torch import Tensor


class Chance:
    """Draws tensors; the same seed on the same device draws the same ones in the same order.

    Args:
        seed: of the generator.
        device: where the tensors are drawn.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        self._generator = torch.Generator(device).manual_seed(seed)

    def uniform(self, count: int, low: float, high: float, *shape: int) -> Tensor:
        """(count, *shape) float32, uniform from `low` to `high`."""
        drawn = torch.rand(count, *shape, device=self.device, generator=self._generator)
        return low + (high - low) * drawn

    def normal(self, *shape: int) -> Tensor:
        """Float32 of that shape, normal with mean 0 and standard deviation 1."""
        return torch.randn(*shape, device=self.device, generator=self._generator)

    def whole(self, count: int, below: int) -> Tensor:
        """(count,) int64, each from 0 to `below` - 1."""
        return torch.randint(0, below, (count,), device=self.device, generator=self._generator)

    def drawn(self, weights: Tensor, count: int) -> Tensor:
        """(count,) int64 indices, each as likely as its weight."""
        return torch.multinomial(weights, count, replacement=True, generator=self._generator)

    def sometimes(self, count: int, probability: float) -> Tensor:
        """(count, 1) bool, true with this probability."""
        return self.uniform(count, 0, 1, 1) < probability

    def some(self, count: int, probability: float) -> Tensor:
        """Indices below `count`, each chosen with this probability."""
        return torch.nonzero(self.sometimes(count, probability)[:, 0])[:, 0]

    def change(self, pictures: Tensor, probability: float, how: Callable[[Tensor, "Chance"], Tensor]) -> Tensor:
        """The pictures, some of them changed: only those are computed."""
        chosen = self.some(len(pictures), probability)
        if not len(chosen):
            return pictures
        return pictures.index_copy(0, chosen, how(pictures[chosen], self).clamp(0, 255))
