"""The training loop."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training import losses
from training.augmentation import places
from training.augmentation.augment import Augmentation
from training.data import Slices
from training.network import Network
from training.run_settings import CLASSES, SIDE, RunSettings

WARM_UP: float = 0.05
"""Share of the steps in which the learning rate rises."""

Batch = tuple[Tensor, Tensor, Tensor]
Array = npt.NDArray[Any]

Watch = Callable[[int, "Losses", nn.Module], None]
"""Called after each epoch with its number, the mean losses and the averaged network."""


@dataclass(frozen=True)
class Losses:
    """Means over an epoch."""

    label: float
    heat: float
    box: float


def fit(train: Slices, settings: RunSettings, device: torch.device, watch: Watch) -> nn.Module:
    """Train a network; what is returned is the running mean of its weights.

    Args:
        train: slices of SOURCE_SIDE pixels.
        settings: the run.
        device: where to.
        watch: see `Watch`.
    """
    torch.manual_seed(settings.seed)
    network = Network(settings.width, settings.drop_path).to(device, memory_format=torch.channels_last)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(settings.average_decay), use_buffers=True)
    epoch = _Epoch(train, settings, device)
    steps = settings.epochs * epoch.steps
    optimiser = torch.optim.AdamW(_groups(network, settings.weight_decay), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step / steps))
    for number in range(settings.epochs):
        network.train()
        sums = torch.zeros(3, device=device)
        for batch in epoch.batches():
            parts = _losses(network, batch, settings.label_smoothing)
            optimiser.zero_grad(set_to_none=True)
            parts.sum().backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            averaged.update_parameters(network)
            sums += parts.detach()
        watch(number, Losses(*(sums / epoch.steps).tolist()), averaged.module)
    return averaged.module


@torch.no_grad()
def predict(network: nn.Module, images: npt.NDArray[np.uint8], device: torch.device) -> tuple[Array, Array, Array]:
    """Answers to (N, S, S) uint8: (N, 4) logits, (N, h, w) heat in 0 to 1 and (N, h, w, 4) boxes."""
    network.eval()
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for start in range(0, len(images), 256):
        batch = torch.from_numpy(images[start : start + 256]).to(device).unsqueeze(1).float()
        logits, heat, boxes = network(batch.view(-1, 1, SIDE, SIDE))
        found.append((logits, heat[:, 0].sigmoid(), boxes.permute(0, 2, 3, 1).clamp(0, 1)))
    logits, heat, boxes = (torch.cat(parts).float().cpu().numpy() for parts in zip(*found, strict=True))
    return logits, heat, boxes


class _Epoch:
    """Draws batches: rarer classes more often, by the root of how much rarer they are."""

    def __init__(self, train: Slices, settings: RunSettings, device: torch.device) -> None:
        self.images = torch.from_numpy(train.images).to(device)
        self.classes = torch.from_numpy(train.classes).to(device)
        self.boxes = torch.from_numpy(train.boxes).to(device)
        self.heads = places.heads(self.images)
        self.size = settings.batch_size
        self.steps = max(1, len(train) // self.size)
        counts = torch.bincount(self.classes, minlength=len(CLASSES)).float()
        self._weights = (counts**-0.5)[self.classes]
        self._generator = torch.Generator(device).manual_seed(settings.seed)
        self._augment = Augmentation(settings.seed + 1, device)

    def batches(self) -> Iterator[Batch]:
        """Pictures (N, 1, S, S), classes (N,) and boxes (N, 4), augmented anew."""
        drawn = torch.multinomial(self._weights, self.steps * self.size, replacement=True, generator=self._generator)
        for chosen in drawn.split(self.size):
            pictures, boxes = self._augment(self.images[chosen], self.boxes[chosen], self.heads[chosen])
            yield pictures.contiguous(memory_format=torch.channels_last), self.classes[chosen], boxes


def _losses(network: nn.Module, batch: Batch, smoothing: float) -> Tensor:
    """(3,) of the class, the heat and the boxes."""
    pictures, classes, boxes = batch
    with torch.autocast(pictures.device.type, torch.bfloat16, enabled=pictures.is_cuda):
        logits, heat, edges = network(pictures)
    target = losses.target_heat(boxes, classes)
    return torch.stack(
        [
            losses.class_loss(logits.float(), classes, smoothing),
            losses.heat_loss(heat.float(), target),
            losses.box_loss(edges.float(), boxes, target),
        ]
    )


def _groups(network: nn.Module, decay: float) -> list[dict[str, object]]:
    """Kernels decay; biases and normalisations do not."""
    kernels = [value for value in network.parameters() if value.ndim > 1]
    others = [value for value in network.parameters() if value.ndim <= 1]
    return [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def _rate(progress: float) -> float:
    """Share of the highest learning rate: up in a line, then down as a cosine."""
    if progress < WARM_UP:
        return progress / WARM_UP + 1e-3
    return 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))
