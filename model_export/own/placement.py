"""Where the picture goes into the given graph: found there, or said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from model_export.own.given_graph import GivenGraph, Size, Tensor
from model_export.own.own_errors import OwnModelError
from model_export.own.wanted import LEAST_SIDE, MOST_SIDE, Wanted

CHANNELS = (1, 3)
"""Grey, or red, green and blue."""
IMAGE_AXES = 4
LEAST_LEVELS = 16
"""From black to white, where the graph takes whole numbers."""


@dataclass(frozen=True)
class Placement:
    """How a picture of uint8 [height, width, 3] RGB becomes the given graph's input.

    Attributes:
        layout: Where the channels are.
        height: Pixels.
        width: Pixels.
        channels: 3, or 1 for a graph that takes grey pictures.
        batched: Whether the input has a batch axis.
    """

    layout: Literal["NCHW", "NHWC"]
    height: int
    width: int
    channels: int = 3
    batched: bool = True

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width


def place(given: GivenGraph, wanted: Wanted) -> Placement:
    """Join what the graph tells and what was said of it.

    Raises:
        OwnModelError: They contradict each other, or something has to be said.
    """
    tensor = given.input
    if tensor.dtype.kind not in "fiu":
        raise OwnModelError(
            f"The input {tensor} is not of numbers that pictures become: export it with a float32 input"
        )
    if len(tensor.dims) not in (IMAGE_AXES, IMAGE_AXES - 1):
        raise OwnModelError(
            f"The input is {tensor}; a batch of pictures has four axes, such as float32 [N, 3, 224, 224]"
        )
    batched = len(tensor.dims) == IMAGE_AXES
    batch, dims = (tensor.dims[0], tensor.dims[1:]) if batched else (1, tensor.dims)
    if isinstance(batch, int) and batch != 1:
        raise OwnModelError(
            f"The input {tensor} takes {batch} pictures at a time, always: export it with a dynamic batch"
        )
    layout = wanted.layout or _layout(tensor, dims)
    where, rows, columns = (0, 1, 2) if layout == "NCHW" else (2, 0, 1)
    channels = dims[where]
    if not isinstance(channels, int):
        channels = CHANNELS[-1]
    if channels not in CHANNELS:
        raise OwnModelError(f"The input {tensor} has {channels} channels as {layout}; pictures have 3, or 1 for grey")
    for name, values in (("mean", wanted.mean), ("std", wanted.std)):
        if len(values) not in (1, channels):
            raise OwnModelError(f"--{name} has {len(values)} numbers, the input {tensor} {channels} channels")
    if channels == 1 and wanted.colours == "BGR":
        raise OwnModelError(f"The input {tensor} takes grey pictures: --colours BGR says nothing of them")
    _check_values(tensor, wanted)
    height = _side("height", tensor, dims[rows], wanted.height)
    return Placement(layout, height, _side("width", tensor, dims[columns], wanted.width), channels, batched)


def _check_values(tensor: Tensor, wanted: Wanted) -> None:
    """Refuse a picture of which whole numbers would leave little, or which they cannot hold."""
    if tensor.dtype.kind == "f":
        return
    ends = [(end * wanted.scale - np.array(wanted.mean)) / np.array(wanted.std) for end in (0, 255)]
    low, high, least = float(np.min(ends[0])), float(np.max(ends[1])), float(np.min(ends[1] - ends[0]))
    bounds = np.iinfo(tensor.dtype)
    if low < bounds.min or high > bounds.max or least < LEAST_LEVELS:
        raise OwnModelError(
            f"The input {tensor} takes whole numbers, and --scale, --mean and --std make {low:.4g} to {high:.4g} of "
            "pixels: say --scale 1 if it takes them as they are, or export it with a float32 input"
        )


def _layout(tensor: Tensor, dims: Sequence[Size]) -> Literal["NCHW", "NHWC"]:
    first, last = dims[0] in CHANNELS, dims[2] in CHANNELS
    if first == last:
        raise OwnModelError(f"Where the channels of the input {tensor} are cannot be told: say --layout NCHW or NHWC")
    return "NCHW" if first else "NHWC"


def _side(which: str, tensor: Tensor, found: Size, said: int | None) -> int:
    if isinstance(found, int):
        if said not in (None, found):
            raise OwnModelError(f"The input {tensor} has a {which} of {found}, --{which} says {said}")
        if not LEAST_SIDE <= found <= MOST_SIDE:
            raise OwnModelError(
                f"The input {tensor} has a {which} of {found}; {LEAST_SIDE} to {MOST_SIDE} pixels can be served"
            )
        return found
    if said is None:
        raise OwnModelError(f"The input {tensor} leaves its {which} open: say --{which} with the one of its training")
    return said
