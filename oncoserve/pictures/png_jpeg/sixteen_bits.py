"""PNG files with 16 bits a sample to 8 bits: from all 16 bits, by a rule that looks at the range that is used.

Scanners and cameras give 10 to 14 bits, and most programs write them into 16 as they are: a slice of magnetic
resonance that ends at 1500 of 65,535 would be black. docs/pictures.md states the rule for users, and what it is worth.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from oncoserve.pictures.bands import bands

COLOURS = {"RGB;16B", "RGBA;16B"}  # as Pillow calls what lies in the file
FULL = 65535
LEVELS = FULL + 1
USED_PART = 2  # a picture that uses less than one part in so many of the range is spread over all of it
LEAST_USED = 32  # levels; below that there is no picture, and noise would be made one
FEW = 100  # one sample in so many at each end may be a defect of the sensor or burned-in text, where it lies far away
FAR = 2  # times what all others are apart; in slices of magnetic resonance these samples lie up to 1.7 times away
CAMERA_PART = 0.75  # of a camera's range has to be used for the range to be the camera's


@dataclass(frozen=True)
class Scale:
    """Which samples become 0 and 255.

    Attributes:
        low: becomes 0, as everything below.
        high: becomes 255, as everything above.
        used_low: the lowest sample of the picture.
        used_high: the highest one.
    """

    low: int
    high: int
    used_low: int
    used_high: int

    @property
    def full(self) -> bool:
        """Whether the full range was taken, so that nothing about the picture was assumed."""
        return (self.low, self.high) == (0, FULL)

    def table(self) -> NDArray[np.uint8]:
        """(65536,) uint8: what becomes of each sample."""
        samples = np.arange(LEVELS).clip(self.low, self.high) - self.low
        span = self.high - self.low
        return ((samples * 510 + span) // (2 * span)).astype(np.uint8)


class SixteenBits:
    """The picture of a PNG file with 16 bits a sample.

    Pillow keeps 16 bits of grey alone. Of the other kinds it keeps the high bytes; the low ones are read by a second
    decoder, and those of grey with alpha are taken for the four bytes of a pixel.

    Args:
        image: as Pillow opened the file; it is loaded here.
        raw: its `raw_mode`.
        again: opens the file once more.
        significant: bits that the file calls significant.

    Attributes:
        scale: what becomes of the samples.
        transparent: whether pixels may be transparent.
    """

    def __init__(self, image: Image.Image, raw: str, again: Callable[[], Image.Image], significant: int | None) -> None:
        self._images = [image]
        if raw == "LA;16B":
            _read_as(image, "RGBA")
        elif raw != "I;16B":
            self._images.append(again())
            _read_as(self._images[1], raw.replace("16B", "16L"))
        for each in self._images:
            each.load()
        self._paired = raw == "LA;16B"
        self._alpha = raw in {"LA;16B", "RGBA;16B"}
        self._clear = image.info.get("transparency")  # the colour that is transparent, in 16 bits
        self.transparent = self._alpha or self._clear is not None
        self._width, self._height = image.size
        self.scale = self._choose(significant)
        self._table = self.scale.table()

    def rows(self, top: int, bottom: int) -> Image.Image:
        """Rows of the picture in 8 bits: mode L or RGB, with alpha RGBA."""
        colours, alpha = self._samples(top, bottom)
        levels = self._table[colours]
        if alpha is None:
            return Image.fromarray(levels.squeeze(2) if levels.shape[2] == 1 else levels)
        rgb = np.broadcast_to(levels, (*alpha.shape, 3))
        return Image.fromarray(np.dstack([rgb, alpha]))

    def _samples(self, top: int, bottom: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8] | None]:
        """(h, w, 1 or 3) uint16 of the colours, and (h, w) uint8 of alpha if there is one."""
        parts = [np.asarray(each.crop((0, top, self._width, bottom))) for each in self._images]
        if self._paired:
            samples = parts[0].view(">u2").astype(np.uint16)
        elif len(parts) > 1:
            samples = parts[0].astype(np.uint16) << 8 | parts[1]
        else:
            samples = parts[0][..., np.newaxis].astype(np.uint16)
        if self._alpha:
            return samples[..., :-1], (samples[..., -1] >> 8).astype(np.uint8)
        if self._clear is not None:
            return samples, np.where((samples == self._clear).all(axis=2), 0, 255).astype(np.uint8)
        return samples, None

    def _choose(self, significant: int | None) -> Scale:
        """By the samples that are seen: what lies under transparent pixels does not count."""
        counts, coloured = np.zeros(LEVELS, np.int64), False
        for top, bottom in bands(self._height):
            colours, alpha = self._samples(top, bottom)
            seen = colours.reshape(-1, colours.shape[2]) if alpha is None else colours[alpha > 0]
            coloured = coloured or bool((seen != seen[:, :1]).any())
            for channel in range(seen.shape[1]):  # one by one: counting takes eight bytes a sample
                counts += np.bincount(seen[:, channel], minlength=LEVELS)
        return choose(counts, coloured=coloured, significant=significant)


def choose(counts: NDArray[np.int64], *, coloured: bool, significant: int | None) -> Scale:
    """The rule.

    Args:
        counts: how often each sample is there, (65536,).
        coloured: whether channels differ. Colours keep their black, and one factor goes for all channels.
        significant: bits that the file calls significant.
    """
    used = np.flatnonzero(counts)
    if not len(used):
        return Scale(0, FULL, 0, 0)
    full = Scale(0, FULL, int(used[0]), int(used[-1]))
    if not (used % 257).any() or not (used % 256).any():
        return full  # these are 8 bits, stretched to 16
    low, high = _without_outliers(counts, used)
    if coloured:
        low = 0
    if high - low >= LEVELS // USED_PART or high - low < LEAST_USED:
        return full
    if coloured:
        high = _camera_range(high, significant)
    return Scale(low, high, full.used_low, full.used_high)


def _without_outliers(counts: NDArray[np.int64], used: NDArray[np.intp]) -> tuple[int, int]:
    """The lowest and the highest sample but for a few that lie far away from all others."""
    reached = np.cumsum(counts)
    few = reached[-1] // FEW
    low, high = np.searchsorted(reached, (few, reached[-1] - 1 - few), "right")
    far = FAR * (high - low)
    near = used[(used >= low - far) & (used <= high + far)]
    return int(near[0]), int(near[-1])


def _camera_range(high: int, significant: int | None) -> int:
    """The largest sample of the camera, or `high` where that would leave the picture dark."""
    if significant is not None and high < 2**significant:
        return int(2**significant - 1)
    top = 2 ** high.bit_length() - 1
    return top if high >= CAMERA_PART * top else high


def _read_as(image: Image.Image, raw: str) -> None:
    """Have the decoder take the bytes of the file's pixels for those of another kind that has as many."""
    if isinstance(image, ImageFile.ImageFile):
        image.tile = [tile._replace(args=raw) for tile in image.tile]
