"""Where the picture goes into the given graph: found there, or said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from model_export.own.given_graph import GivenGraph, Size, Tensor
from model_export.own.own_errors import OwnModelError
from model_export.own.wanted import Wanted

CHANNELS = 3
IMAGE_AXES = 4


@dataclass(frozen=True)
class Placement:
    """How a picture of uint8 [height, width, 3] RGB becomes the given graph's input.

    Attributes:
        layout: Where the channels are.
        height: Pixels.
        width: Pixels.
        batched: Whether the input has a batch axis.
    """

    layout: Literal["NCHW", "NHWC"]
    height: int
    width: int
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
    if len(tensor.dims) not in (IMAGE_AXES, IMAGE_AXES - 1) or tensor.dtype.kind not in "fiu":
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
    channels, rows, columns = (0, 1, 2) if layout == "NCHW" else (2, 0, 1)
    if isinstance(dims[channels], int) and dims[channels] != CHANNELS:
        raise OwnModelError(f"The input {tensor} has {dims[channels]} channels as {layout}; pictures have 3")
    height = _side("height", tensor, dims[rows], wanted.height)
    return Placement(layout, height, _side("width", tensor, dims[columns], wanted.width), batched)


def _layout(tensor: Tensor, dims: Sequence[Size]) -> Literal["NCHW", "NHWC"]:
    first, last = dims[0] == CHANNELS, dims[2] == CHANNELS
    if first == last:
        raise OwnModelError(f"Where the channels of the input {tensor} are cannot be told: say --layout NCHW or NHWC")
    return "NCHW" if first else "NHWC"


def _side(which: str, tensor: Tensor, found: Size, said: int | None) -> int:
    if isinstance(found, int):
        if said not in (None, found):
            raise OwnModelError(f"The input {tensor} has a {which} of {found}, --{which} says {said}")
        return found
    if said is None:
        raise OwnModelError(f"The input {tensor} leaves its {which} open: say --{which} with the one of its training")
    return said
