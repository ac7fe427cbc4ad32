"""A compact fully convolutional network with two answers: what kind of tumour, and where."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from training.run_settings import CELLS, CLASSES

EXPANSION: Final = 3
DROPOUT: Final = 0.2
STAGES: Final = ((32, 2), (48, 3), (96, 4), (128, 2))
"""Channels and blocks at a quarter, an eighth, a sixteenth and a thirty-second of the side."""
STEM: Final = 16
NECK: Final = 64
PRIOR: Final = -3.0
"""Logit of the heatmap at the start: most cells hold no tumour."""
SIZE_PRIOR: Final = -2.5
"""Logarithm, at the start, of the distance from a cell to an edge of its box: 0.08 of the side."""


def convolution(inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution and batch normalisation."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs))


class InvertedResidual(nn.Module):
    """Widen, look around per channel, narrow again (MobileNetV2, arXiv:1801.04381), with stochastic depth."""

    def __init__(self, inputs: int, outputs: int, stride: int, drop: float) -> None:
        super().__init__()
        inner = inputs * EXPANSION
        self.layers = nn.Sequential(
            convolution(inputs, inner, 1),
            nn.ReLU(),
            convolution(inner, inner, 3, stride=stride, groups=inner),
            nn.ReLU(),
            convolution(inner, outputs, 1),
        )
        self.residual = stride == 1 and inputs == outputs
        self.drop = drop

    def forward(self, features: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        found: Tensor = self.layers(features)
        if not self.residual:
            return found
        if self.training and self.drop:
            kept = torch.rand(len(found), 1, 1, 1, device=found.device) >= self.drop
            found = found * kept / (1 - self.drop)
        return features + found


class Upwards(nn.Module):
    """One step of the decoder: double the coarse map, add the finer one, look around."""

    def __init__(self, finer: int) -> None:
        super().__init__()
        self.lateral = convolution(finer, NECK, 1)
        self.smooth = nn.Sequential(convolution(NECK, NECK, 5, groups=NECK), convolution(NECK, NECK, 1), nn.ReLU())

    def forward(self, coarse: Tensor, finer: Tensor) -> Tensor:
        """(N, NECK, h, w) and (N, finer, 2 h, 2 w) to (N, NECK, 2 h, 2 w)."""
        # Repeating is the nearest-neighbour enlargement whose gradient is a plain sum, the same on each run.
        enlarged = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)
        found: Tensor = self.smooth(enlarged + self.lateral(finer))
        return found


class Network(nn.Module):
    """Encoder to a thirty-second of the side, decoder back to an eighth, three heads."""

    def __init__(self, width: float = 1.0, drop_path: float = 0.0) -> None:
        super().__init__()
        channels = [8 * round(count * width / 8) for count, _ in STAGES]
        self.stem = nn.Sequential(convolution(1, STEM, 3, stride=2), nn.ReLU())
        self.stages = nn.ModuleList(_stages(channels, drop_path))
        self.top = nn.Sequential(convolution(channels[-1], NECK, 1), nn.ReLU())
        self.up = nn.ModuleList([Upwards(channels[2]), Upwards(channels[1])])
        self.heat = _head(1, PRIOR)
        self.edges = _head(4, SIZE_PRIOR)
        self.dropout = nn.Dropout(DROPOUT)
        self.classes = nn.Linear(channels[-1] + 2 * NECK, len(CLASSES))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Answer for a batch.

        Args:
            pictures: (N, 1, S, S) float32, grey, 0 to 255.

        Returns:
            (N, 4) logits of the classes, (N, 1, S / 8, S / 8) logits of the heatmap and (N, 4, S / 8, S / 8) left, top,
            right and bottom of a box per cell, in fractions of the picture.
        """
        features = self.stem(standardise(pictures))
        scales = []
        for stage in self.stages:
            features = stage(features)
            scales.append(features)
        neck = self.top(features)
        for step, finer in zip(self.up, (scales[2], scales[1]), strict=True):
            neck = step(neck, finer)
        # Reduced precision holds for features, not for positions.
        heat = self.heat(neck).float()
        pooled = torch.cat([features.mean((2, 3)), neck.mean((2, 3)), _where_hot(neck, heat)], 1)
        return self.classes(self.dropout(pooled)), heat, _boxes(self.edges(neck).float())


def standardise(pictures: Tensor) -> Tensor:
    """Zero mean and unit variance per picture, so that neither window nor exposure tells the source."""
    centred = pictures - pictures.mean((1, 2, 3), keepdim=True)
    return centred / (centred.square().mean((1, 2, 3), keepdim=True) + 1).sqrt()


def _stages(channels: Sequence[int], drop_path: float) -> list[nn.Module]:
    total = sum(blocks for _, blocks in STAGES)
    stages: list[nn.Module] = []
    inputs, depth = STEM, 0
    for outputs, (_, blocks) in zip(channels, STAGES, strict=True):
        layers = []
        for index in range(blocks):
            layers.append(InvertedResidual(inputs, outputs, 2 if index == 0 else 1, drop_path * depth / (total - 1)))
            inputs, depth = outputs, depth + 1
        stages.append(nn.Sequential(*layers))
    return stages


def _head(outputs: int, bias: float) -> nn.Sequential:
    last = nn.Conv2d(NECK, outputs, 1)
    nn.init.normal_(last.weight, std=0.01)
    nn.init.constant_(last.bias, bias)
    return nn.Sequential(convolution(NECK, NECK, 3, groups=NECK), convolution(NECK, NECK, 1), nn.ReLU(), last)


def _where_hot(features: Tensor, heat: Tensor) -> Tensor:
    """(N, C) mean of the features, weighted by the heat: the class is read where the tumour is seen."""
    weights = heat.sigmoid() + 1e-3
    return (features * weights).sum((2, 3)) / weights.sum((2, 3))


def _boxes(logits: Tensor) -> Tensor:
    """(N, 4, h, w) edges from the logarithms of their distances to the cell's centre, in fractions of the picture."""
    distances = logits.clamp(-6, 1).exp()
    centres = (torch.arange(CELLS, device=logits.device, dtype=logits.dtype) + 0.5) / CELLS
    across = centres.view(1, 1, 1, -1)
    down = centres.view(1, 1, -1, 1)
    left, top, right, bottom = distances.split(1, 1)
    return torch.cat([across - left, down - top, across + right, down + bottom], 1)
