"""What training asks for: the class, the pixels of the tumour, and what is no brain."""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from training.network import Seen
from training.run_settings import NONE

NAMES: Final = ("mask", "overlap", "class", "outlier")
MASK_WEIGHT: Final = 20.0
OUTLIER_WEIGHT: Final = 0.5
LEAST_PIXELS: Final = 4.0
"""A mask of fewer pixels is none: the overlap is not asked for."""


def losses(seen: Seen, masks: Tensor, classes: Tensor, outliers: Tensor, smoothing: float) -> Tensor:
    """(4,) in the order of NAMES.

    Args:
        seen: what the network says.
        masks: (N, 1, S, S) float32, 0 to 1.
        classes: (N,) index, or NONE: then the class has no say.
        outliers: (N,) float32, 1 for a picture that is no brain.
        smoothing: share of a label that is spread over all classes.
    """
    said = functional.interpolate(seen.mask, size=masks.shape[2:], mode="bilinear", align_corners=False)
    return torch.stack(
        [
            MASK_WEIGHT * mask_loss(said, masks),
            overlap_loss(said, masks),
            class_loss(seen.classes.float(), classes, smoothing),
            OUTLIER_WEIGHT * functional.binary_cross_entropy_with_logits(seen.outlier.float(), outliers),
        ]
    )


def mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Focal loss for soft labels (arXiv:2006.04388) with exponent 1: the further off a pixel, the more it counts."""
    entropy = functional.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    return ((logits.sigmoid() - masks).abs() * entropy).mean()


def overlap_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """1 - Dice, the mean of the pictures that show a tumour."""
    shares = logits.sigmoid()
    sizes = masks.sum((1, 2, 3))
    shared = (shares * masks).sum((1, 2, 3))
    missed = 1 - (2 * shared + 1) / (shares.sum((1, 2, 3)) + sizes + 1)
    present = sizes > LEAST_PIXELS
    return (missed * present).sum() / present.sum().clamp(min=1)


def class_loss(logits: Tensor, classes: Tensor, smoothing: float) -> Tensor:
    """Cross entropy of the slices that have a class; 0 if none has."""
    each = functional.cross_entropy(logits, classes, ignore_index=NONE, label_smoothing=smoothing, reduction="sum")
    return each / (classes != NONE).sum().clamp(min=1)
