"""Where the picture goes into the given graph, and where the answers come out: found there, or said."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from model_export.own.given_graph import GivenGraph, Size, Tensor
from model_export.own.own_errors import OwnModelError
from model_export.own.wanted import Wanted

CHANNELS = 3
IMAGE_AXES = 4


@dataclass(frozen=True)
class Placement:
    """How a picture of uint8 [height, width, 3] RGB becomes the given graph's input, and its output an answer.

    Attributes:
        layout: Where the channels are.
        height: Pixels.
        width: Pixels.
        output: Name of the output that is read.
        activated: Whether it gives probabilities; else a softmax is added, or a sigmoid where there are many labels.
    """

    layout: Literal["NCHW", "NHWC"]
    height: int
    width: int
    output: str
    activated: bool | None


def place(given: GivenGraph, wanted: Wanted) -> Placement:
    """Join what the graph tells and what was said of it.

    Raises:
        OwnModelError: They contradict each other, or something has to be said.
    """
    layout, height, width = _image(given.input, wanted)
    return Placement(
        layout,
        height,
        width,
        _classes_output(given, wanted).name,
        None if wanted.answers is None else wanted.answers == "probabilities",
    )


def _image(tensor: Tensor, wanted: Wanted) -> tuple[Literal["NCHW", "NHWC"], int, int]:
    if len(tensor.dims) != IMAGE_AXES or not np.issubdtype(tensor.dtype, np.floating):
        raise OwnModelError(
            f"The input is {tensor}; a batch of pictures has four axes of floats, such as float32 [N, 3, 224, 224]"
        )
    batch = tensor.dims[0]
    if isinstance(batch, int) and batch != 1:
        raise OwnModelError(
            f"The input {tensor} takes {batch} pictures at a time, always: export it with a dynamic batch"
        )
    layout = wanted.layout or _layout(tensor)
    channels, rows, columns = (1, 2, 3) if layout == "NCHW" else (3, 1, 2)
    if tensor.dims[channels] not in (CHANNELS, None) and isinstance(tensor.dims[channels], int):
        raise OwnModelError(f"The input {tensor} has {tensor.dims[channels]} channels as {layout}; pictures have 3")
    height = _side("height", tensor, tensor.dims[rows], wanted.height)
    return layout, height, _side("width", tensor, tensor.dims[columns], wanted.width)


def _layout(tensor: Tensor) -> Literal["NCHW", "NHWC"]:
    first, last = tensor.dims[1] == CHANNELS, tensor.dims[3] == CHANNELS
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


def _classes_output(given: GivenGraph, wanted: Wanted) -> Tensor:
    """The output that has a number for each class."""
    count = len(wanted.classes)
    fitting = [each for each in given.outputs if each.dims[1:] in ((count,), (None,)) or _is_named(each)]
    exact = [each for each in fitting if each.dims[1:] == (count,)] or fitting
    if len(exact) == 1:
        return exact[0]
    found = ", ".join(map(str, given.outputs))
    if exact:
        raise OwnModelError(
            f"Several outputs have a number for each of {count} classes: {found}; leave one in the graph"
        )
    raise OwnModelError(f"--classes names {count}; no output has [N, {count}], there is {found}")


def _is_named(tensor: Tensor) -> bool:
    return len(tensor.dims) == 2 and isinstance(tensor.dims[1], str)  # noqa: PLR2004 - batch and classes
