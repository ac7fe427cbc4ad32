"""A compact fully convolutional network: which kind of tumour, which pixels, and whether this is a brain at all."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.run_settings import CLASSES

DROPOUT: Final = 0.3
STAGES: Final = ((24, 2), (48, 2), (96, 2), (160, 2))
"""Channels and blocks at a quarter, an eighth, a sixteenth and a thirty-second of the side."""
STEM: Final = 16
NECK: Final = 48
PRIOR: Final = -3.0
"""Logit of the mask at the start: most cells hold no tumour."""


class Seen(NamedTuple):
    """What the network says of a batch.

    Attributes:
        classes: (N, 3) logits.
        mask: (N, 1, S / 4, S / 4) float32 logits.
        outlier: (N,) logit of being no brain.
        features: (N, F) float32 means of the encoder's maps, by which resemblance is judged.
    """

    classes: Tensor
    mask: Tensor
    outlier: Tensor
    features: Tensor


FEATURES: Final = sum(channels for channels, _ in STAGES[1:])


def convolution(inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution and batch normalisation."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """Two convolutions beside a short cut (arXiv:1512.03385), with stochastic depth.

    On a CPU a step takes three quarters of the time of one with inverted residuals of two thirds of the arithmetic:
    their widened maps have to be normalised, too.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, drop: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            convolution(inputs, outputs, 3, stride=stride), nn.ReLU(), convolution(outputs, outputs, 3)
        )
        self.same = stride == 1 and inputs == outputs
        self.short = nn.Identity() if self.same else convolution(inputs, outputs, 1, stride=stride)
        self.drop = drop

    def forward(self, features: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        found: Tensor = self.layers(features)
        if self.same and self.training and self.drop:
            kept = torch.rand(len(found), 1, 1, 1, device=found.device) >= self.drop
            found = found * kept / (1 - self.drop)
        return functional.relu(self.short(features) + found)


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
    """Encoder to a thirty-second of the side, decoder back to a quarter, three heads."""

    def __init__(self, drop_path: float = 0.0) -> None:
        super().__init__()
        channels = [count for count, _ in STAGES]
        self.stem = nn.Sequential(convolution(1, STEM, 3, stride=2), nn.ReLU())
        self.stages = nn.ModuleList(_stages(drop_path))
        self.top = nn.Sequential(convolution(channels[-1], NECK, 1), nn.ReLU())
        self.up = nn.ModuleList([Upwards(finer) for finer in channels[2::-1]])
        self.mask = _mask_head()
        self.dropout = nn.Dropout(DROPOUT)
        self.classes = nn.Linear(channels[-1] + 3 * NECK, len(CLASSES))
        self.outlier = nn.Linear(FEATURES, 1)

    def forward(self, pictures: Tensor) -> Seen:
        """Answer for a batch, (N, 1, S, S) float32, grey, 0 to 255; S is a multiple of 32."""
        features = self.stem(standardise(pictures))
        scales = []
        for stage in self.stages:
            features = stage(features)
            scales.append(features)
        neck, decoded = self.top(features), []
        for step, finer in zip(self.up, scales[2::-1], strict=True):
            neck = step(neck, finer)
            decoded.append(neck)
        # Reduced precision holds for features, not for probabilities.
        mask = self.mask(neck).float()
        shares = mask.sigmoid()
        # The class is read where the tumour is seen.
        read = [
            _mean(features),
            _mean(decoded[0]),
            _where(decoded[0], functional.avg_pool2d(shares, 4)),
            _where(decoded[1], functional.avg_pool2d(shares, 2)),
        ]
        pooled = torch.cat([_mean(scale) for scale in scales[:0:-1]], 1)
        return Seen(self.classes(self.dropout(torch.cat(read, 1))), mask, self.outlier(pooled)[:, 0], pooled)


def evened(shares: Tensor) -> Tensor:
    """(N, 1, h, w) probabilities of a mask, each halfway to the mean of its neighbourhood: a lone cell is noise.

    Not learnt, so the loss does not see it: on validation patients more peaks lie on the tumour with it.
    """
    around = functional.avg_pool2d(shares, 3, stride=1, padding=1, count_include_pad=False)
    return (shares + around) / 2


def standardise(pictures: Tensor) -> Tensor:
    """Zero mean and unit variance per picture, so that neither window nor exposure tells the source."""
    centred = pictures - pictures.mean((1, 2, 3), keepdim=True)
    return centred / (centred.square().mean((1, 2, 3), keepdim=True) + 1).sqrt()


def _stages(drop_path: float) -> Sequence[nn.Module]:
    total = sum(blocks for _, blocks in STAGES)
    stages: list[nn.Module] = []
    inputs, depth = STEM, 0
    for outputs, blocks in STAGES:
        layers = []
        for index in range(blocks):
            layers.append(Residual(inputs, outputs, 2 if index == 0 else 1, drop_path * depth / (total - 1)))
            inputs, depth = outputs, depth + 1
        stages.append(nn.Sequential(*layers))
    return stages


def _mask_head() -> nn.Sequential:
    last = nn.Conv2d(NECK, 1, 1)
    nn.init.normal_(last.weight, std=0.01)
    nn.init.constant_(last.bias, PRIOR)
    return nn.Sequential(convolution(NECK, NECK, 3, groups=NECK), convolution(NECK, NECK, 1), nn.ReLU(), last)


def _mean(features: Tensor) -> Tensor:
    return features.float().mean((2, 3))


def _where(features: Tensor, shares: Tensor) -> Tensor:
    """(N, C) mean of the features, weighted by how much of the tumour each cell holds."""
    weights = shares + 1e-3 / (shares.shape[2] * shares.shape[3])
    return (features.float() * weights).sum((2, 3)) / weights.sum((2, 3))
