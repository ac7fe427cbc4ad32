"""What training asks for: the class, warmth inside the box, and edges that meet those of the box."""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from training.run_settings import CELLS, NO_TUMOUR

SPREAD: Final = 0.25
"""Standard deviation of the heat asked for, as a share of the box's sides: 0.135 of the peak remains at an edge."""
LEAST_SPREAD: Final = 0.6 / CELLS
LEAST_PEAK: Final = 0.4
"""The bell's height at the nearest cell is at least this wherever its middle lies in the picture."""
INSIDE: Final = 0.3
"""Cells asked to be at least this warm propose boxes."""
HEAT_WEIGHT: Final = 80.0
BOX_WEIGHT: Final = 1.0


def target_heat(boxes: Tensor, classes: Tensor) -> Tensor:
    """(N, 1, h, w) a bell over each box (N, 4), 1 in its middle; zeros where the class is `notumor`."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    spreads = ((boxes[:, 2:] - boxes[:, :2]) * SPREAD).clamp(min=LEAST_SPREAD)
    cells = (torch.arange(CELLS, device=boxes.device) + 0.5) / CELLS
    bells = (-0.5 * ((cells - centres.unsqueeze(2)) / spreads.unsqueeze(2)).square()).exp()
    heat = bells[:, 1].unsqueeze(2) * bells[:, 0].unsqueeze(1)
    # The middle of a small box may lie between cells: the nearest is its peak. One outside the picture has none.
    heat = heat / heat.amax((1, 2), keepdim=True).clamp(min=LEAST_PEAK)
    return (heat * (classes != NO_TUMOUR).view(-1, 1, 1)).unsqueeze(1)


def heat_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Quality focal loss (arXiv:2006.04388, equation 5): the further off a cell, the more it counts."""
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return ((logits.sigmoid() - target).square() * entropy).mean() * HEAT_WEIGHT


def box_loss(edges: Tensor, boxes: Tensor, target: Tensor) -> Tensor:
    """Generalised IoU loss (arXiv:1902.09630) of the cells inside, weighted by the heat asked for."""
    weights = (target * (target > INSIDE)).squeeze(1)
    wanted = boxes.clamp(0, 1).view(-1, 4, 1, 1)
    losses = 1 - _generalised_iou(edges, wanted)
    return (weights * losses).sum() / weights.sum().clamp(min=1) * BOX_WEIGHT


def class_loss(logits: Tensor, classes: Tensor, smoothing: float) -> Tensor:
    """Cross entropy."""
    return functional.cross_entropy(logits, classes, label_smoothing=smoothing)


def _generalised_iou(one: Tensor, other: Tensor) -> Tensor:
    """Of boxes along axis 1."""
    overlap = (torch.minimum(one[:, 2:], other[:, 2:]) - torch.maximum(one[:, :2], other[:, :2])).clamp(min=0).prod(1)
    hull = (torch.maximum(one[:, 2:], other[:, 2:]) - torch.minimum(one[:, :2], other[:, :2])).prod(1)
    areas = [(box[:, 2:] - box[:, :2]).prod(1) for box in (one, other)]
    union = areas[0] + areas[1] - overlap
    return overlap / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)
