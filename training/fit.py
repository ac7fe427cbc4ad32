"""The training loop, and what a network says of slices."""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training import losses
from training.augmentation.batches import Batches
from training.data import Slices
from training.figures.graph_answers import Array, Raw
from training.network import Network, evened
from training.run_settings import SIDE, SOURCE_SIDE, Phase, RunSettings

WARM_UP: Final = 0.03
"""Share of the work in which the learning rate rises."""
PORTION: Final = 64
"""Slices that a network is asked about at once."""


Watch = Callable[[int, dict[str, float], nn.Module], None]
"""Called after each epoch with its number, the mean losses by name and the averaged network."""


def fit(train: Slices, settings: RunSettings, device: torch.device, watch: Watch) -> nn.Module:
    """Train a network; what is returned is the running mean of its weights.

    Args:
        train: slices of SOURCE_SIDE pixels.
        settings: the run.
        device: where to.
        watch: see `Watch`.
    """
    torch.manual_seed(settings.seed)
    network = Network(settings.drop_path).to(device, memory_format=torch.channels_last)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(settings.average_decay), use_buffers=True)
    batches = Batches(train, settings, device)
    optimiser = torch.optim.AdamW(_groups(network, settings.weight_decay), lr=settings.learning_rate)
    shares = _progress(settings, batches.steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(shares[min(step, len(shares) - 1)]))
    sums, step = torch.zeros(len(losses.NAMES), device=device), 0
    for phase in settings.phases:
        for batch in batches.phase(phase):
            network.train()
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                seen = network(batch.pictures)
            parts = losses.losses(seen, batch.masks, batch.classes, batch.outliers, settings.label_smoothing)
            optimiser.zero_grad(set_to_none=True)
            parts.sum().backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            averaged.update_parameters(network)
            sums, step = sums + parts.detach(), step + 1
            if step % batches.steps == 0:
                means = (sums / batches.steps).tolist()
                watch(step // batches.steps, dict(zip(losses.NAMES, means, strict=True)), averaged.module)
                sums = torch.zeros_like(sums)
    return averaged.module


@torch.no_grad()
def predict(network: nn.Module, images: npt.NDArray[np.uint8], device: torch.device) -> Raw:
    """What the network says of (N, SIDE, SIDE) uint8."""
    network.eval()
    found = []
    for start in range(0, len(images), PORTION):
        pictures = torch.from_numpy(images[start : start + PORTION]).to(device).unsqueeze(1).float()
        seen = network(pictures.contiguous(memory_format=torch.channels_last))
        found.append((seen.classes, evened(seen.mask.sigmoid())[:, 0].half(), seen.outlier, seen.features))
    if not found:
        nothing: Raw = predict(network, np.zeros((1, SIDE, SIDE), np.uint8), device).take(np.array([], int))
        return nothing
    return Raw(*(torch.cat(parts).cpu().numpy() for parts in zip(*found, strict=True)))


@torch.no_grad()
def reference(network: nn.Module, train: Slices, settings: RunSettings, device: torch.device) -> tuple[Array, Array]:
    """Features, (n, F), and outlier logits, (n,), of augmented slices: typical is what training showed."""
    network.eval()
    # As they are: a filled place is nothing that a served picture has.
    whole = replace(settings, copies=0.0, decoys=0.0, erased=0.0)
    batches = Batches(train, whole, device)
    features: list[Tensor] = []
    outliers: list[Tensor] = []
    enough = Phase(SIDE, SOURCE_SIDE, 1 + settings.reference // (batches.steps * settings.batch_size))
    for batch in batches.phase(enough):
        seen = network(batch.pictures[batch.outliers == 0])
        features.append(seen.features)
        outliers.append(seen.outlier)
        if sum(map(len, outliers)) >= settings.reference:
            break
    return torch.cat(features).cpu().numpy(), torch.cat(outliers).cpu().numpy()


class Diary:
    """Prints how a run goes, and keeps what is drawn of it.

    Args:
        name: of the run.
        settings: of the run.
        look: figures of a network, asked for now and then.
    """

    def __init__(self, name: str, settings: RunSettings, look: Callable[[nn.Module], dict[str, float]]) -> None:
        self.entries: list[dict[str, float]] = []
        self._name, self._settings, self._look = name, settings, look
        self._began = time.monotonic()

    def write(self, epoch: int, means: dict[str, float], network: nn.Module) -> None:
        """A `Watch`."""
        entry = {"epoch": epoch, "seconds": time.monotonic() - self._began, **means}
        every = max(1, self._settings.epochs // 8)
        if epoch % every == 0 or epoch == self._settings.epochs:
            entry |= self._look(network)
        self.entries.append(entry)
        said = " ".join(f"{key} {value:.3f}" for key, value in entry.items() if key != "epoch")
        sys.stdout.write(f"{self._name} {epoch} of {self._settings.epochs}: {said}\n")
        sys.stdout.flush()


def _groups(network: nn.Module, decay: float) -> list[dict[str, object]]:
    """Kernels decay; biases and normalisations do not."""
    kernels = [value for value in network.parameters() if value.ndim > 1]
    others = [value for value in network.parameters() if value.ndim <= 1]
    return [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def _progress(settings: RunSettings, steps: int) -> list[float]:
    """Before each step, the share of the run's arithmetic that is done."""
    costs = np.concatenate([np.full(phase.epochs * steps, float(phase.side**2)) for phase in settings.phases])
    shares: list[float] = (np.concatenate([[0.0], costs.cumsum()]) / costs.sum()).tolist()
    return shares


def _rate(progress: float) -> float:
    """Share of the highest learning rate: up in a line, then down as a cosine."""
    if progress < WARM_UP:
        return progress / WARM_UP + 1e-3
    return 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))
