"""The random numbers of augmentation: one generator with a seed of its own, on the device that trains."""

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

    def sometimes(self, count: int, probability: float) -> Tensor:
        """(count, 1, 1, 1) bool, true with this probability."""
        return self.uniform(count, 0, 1, 1, 1, 1) < probability
