"""From maps of probabilities and a threshold to the classes of each pixel, and to areas."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from oncoserve.tasks.card import Card
from oncoserve.tasks.regions.components import Mask
from oncoserve.tasks.regions.grids import at_original, object_grid
from oncoserve.tasks.tissue.glass import GLASS, TISSUE, WHITE

BACKGROUND: Final = 0
"""What has no class."""
MOST_CLASSES: Final = 32
"""Of classes that overlap: each has a bit."""
MOST_RANKED: Final = 3
"""Of classes in ranks: the viewer has a colour channel for each."""


@dataclass(frozen=True)
class Labels:
    """Which classes each pixel of a grid has, by number: the card's first class is 1.

    Attributes:
        values: (h, w); where classes exclude each other uint8, the class's number or `BACKGROUND`; else uint32, a bit
            for each class that the pixel has, the lowest for class 1.
        strengths: (h, w, classes) uint8, 255 times the probability, where classes overlap.
    """

    values: NDArray[np.uint8] | NDArray[np.uint32]
    strengths: NDArray[np.uint8] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w)."""
        return self.values.shape[0], self.values.shape[1]

    @property
    def overlapping(self) -> bool:
        """Whether a pixel can have several classes."""
        return self.strengths is not None

    def mask(self, value: int) -> Mask:
        """(h, w) where that class is."""
        found: Mask = (self.values & (1 << (value - 1))) != 0 if self.overlapping else self.values == value
        return found

    def painted(self) -> NDArray[np.uint8]:
        """(h, w) uint8, one class a pixel: of several the most probable."""
        if self.strengths is None:
            return self.values.astype(np.uint8)
        painted, most = np.zeros(self.values.shape, np.uint8), np.zeros(self.values.shape, np.uint8)
        for number in range(1, self.strengths.shape[2] + 1):
            strength = self.strengths[..., number - 1]
            stronger = self.mask(number) & (strength > most)
            painted[stronger], most[stronger] = number, strength[stronger]
        return painted

    def for_objects(self, shape: tuple[int, int]) -> "Labels":
        """On the grid that objects are found on; see `object_grid`."""
        return self._on(object_grid, shape)

    def on(self, shape: tuple[int, int]) -> "Labels":
        """On the ORIGINAL's pixels, (H, W)."""
        return self._on(at_original, shape)

    def _on(self, place: Callable[[NDArray[Any], tuple[int, int]], NDArray[Any]], shape: tuple[int, int]) -> "Labels":
        strengths = None if self.strengths is None else place(self.strengths, shape)
        return Labels(place(self.values, shape), strengths)

    def without(self, value: int, where: Mask) -> "Labels":
        """The same, and nothing of that class where the mask is."""
        left = self.values.copy()
        if self.overlapping:
            left[where] &= np.uint32(~(1 << (value - 1)) & 0xFFFFFFFF)
        else:
            left[where & (left == value)] = BACKGROUND
        return replace(self, values=left)


@dataclass(frozen=True)
class Rule:
    """How the channels of a model's answer become classes.

    Attributes:
        kind: see `oncoserve.tasks.card.Segmentation`.
        names: of the classes; class 1 is the first.
        channels: by channel its class, or `BACKGROUND`.
        rest: the class of what no channel takes, or `BACKGROUND`.
        threshold: least probability, where the caller gives none.
    """

    kind: Literal["binary", "multiclass", "multilabel", "ranked"]
    names: tuple[str, ...]
    channels: tuple[int, ...]
    rest: int
    threshold: float

    @classmethod
    def of(cls, card: Card) -> "Rule":
        """As the card has it.

        Raises:
            ValueError: its parts contradict each other.
        """
        part = card.segmentation
        if part is None:
            raise ValueError("card.json: expected segmentation, got none")
        names = tuple(each.name for each in card.classes)
        channels = part.channels or list(names)
        strangers = sorted({each for each in (*channels, part.rest) if each is not None} - set(names))
        if strangers:
            raise ValueError(f"card.json: expected channels and rest of its classes, got {', '.join(strangers)}")
        numbers: Mapping[str | None, int] = {None: BACKGROUND} | {name: n for n, name in enumerate(names, 1)}
        taken = [each for each in channels if each is not None]
        missing = sorted(set(names) - set(taken) - {part.rest})
        if missing or len(taken) != len(set(taken)):
            raise ValueError(f"card.json: expected one channel for each class, got {', '.join(map(str, channels))}")
        if part.kind == "binary" and len(channels) != 1:
            raise ValueError(f"card.json: expected one channel for kind binary, got {len(channels)}")
        if part.kind == "ranked" and len(names) > MOST_RANKED:
            raise ValueError(f"card.json: expected up to {MOST_RANKED} classes for kind ranked, got {len(names)}")
        if part.kind == "multilabel" and (part.rest or None in channels or len(names) > MOST_CLASSES):
            raise ValueError(f"card.json: expected up to {MOST_CLASSES} classes and no other channel for multilabel")
        return cls(part.kind, names, tuple(numbers[each] for each in channels), numbers[part.rest], part.threshold)

    @property
    def numbers(self) -> dict[str, int]:
        """The classes' numbers by name: the values of the mask."""
        return {name: number for number, name in enumerate(self.names, 1)}

    def label(self, probabilities: NDArray[np.uint8], regions: NDArray[np.uint8] | None, threshold: float) -> Labels:
        """Give every pixel of the model grid its classes.

        A channel passes where its probability is over the threshold. `binary`: where it does. `multiclass`: the most
        probable channel alone, if it does. `multilabel`: each channel that does. `ranked`: the first that does and is
        over every channel of the background, as where sigmoids of their own need not add up to 1. Where there are
        regions, GLASS is background, and so is what is WHITE (a tear, a vessel) and that no channel takes.

        Args:
            probabilities: (h, w, channels) uint8, 255 times the probability.
            regions: (h, w) uint8, TISSUE, WHITE or GLASS; None where nobody looked for glass.
            threshold: 0 to 1.
        """
        least = int(threshold * 255)  # bytes are whole, so "over 127.5" is "over 127"
        if self.kind == "multilabel":
            bits = np.zeros(probabilities.shape[:2], np.uint32)
            for channel, number in enumerate(self.channels):
                bits |= np.where(probabilities[..., channel] > least, np.uint32(1 << (number - 1)), np.uint32(0))
            if regions is not None:
                bits[regions == GLASS] = 0
            return Labels(bits, probabilities[..., np.argsort(self.channels)])
        values = np.full(probabilities.shape[:2], self.rest, np.uint8)
        if regions is not None:
            values[regions == WHITE] = BACKGROUND
        if self.kind == "multiclass":
            best = probabilities.argmax(axis=2)
            named = np.array(self.channels, np.uint8)[best]
            passes = (np.take_along_axis(probabilities, best[..., np.newaxis], 2)[..., 0] > least) & (named > 0)
            values[passes] = named[passes]
        else:
            self._rank(probabilities, least, values)
        if regions is not None:
            values[regions == GLASS] = BACKGROUND
        return Labels(values)

    def _rank(self, probabilities: NDArray[np.uint8], least: int, values: NDArray[np.uint8]) -> None:
        beside = [channel for channel, number in enumerate(self.channels) if number == BACKGROUND]
        for channel, number in reversed(list(enumerate(self.channels))):
            if number != BACKGROUND:
                found = probabilities[..., channel]
                passes = found > least
                for each in beside:
                    passes &= found > probabilities[..., each]
                values[passes] = number


@dataclass(frozen=True)
class Area:
    """How much of a class there is.

    Attributes:
        px: pixels of the ORIGINAL, rounded.
        mm2: square millimetres; None where nobody knows the resolution.
        fraction: of all that has a class where the card has a `rest`, and so of all tissue; of the tissue where glass
            is told from it; else of the picture. 0 where there is nothing of that.
    """

    px: int
    mm2: float | None
    fraction: float


def areas(
    labels: Labels, rule: Rule, regions: NDArray[np.uint8] | None, shape: tuple[int, int], um_per_px: float | None
) -> dict[str, Area]:
    """Areas by class.

    Args:
        labels: on the model grid.
        rule: what the numbers stand for.
        regions: as in `Rule.label`.
        shape: (H, W) of the ORIGINAL.
        um_per_px: micrometres per pixel of the ORIGINAL, where they are known.
    """
    size = labels.values.size
    counts = {name: int(np.count_nonzero(labels.mask(number))) for name, number in rule.numbers.items()}
    looked_at = size if regions is None else int(np.count_nonzero(regions == TISSUE))
    whole = sum(counts.values()) if rule.rest else looked_at
    px_per_cell = shape[0] * shape[1] / size
    return {
        name: Area(
            round(count * px_per_cell),
            None if um_per_px is None else count * px_per_cell * um_per_px**2 / 1e6,
            min(1.0, count / max(whole, 1)),
        )
        for name, count in counts.items()
    }
