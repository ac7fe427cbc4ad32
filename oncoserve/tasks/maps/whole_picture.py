"""A picture on its way to the model and back: `prepare`, send its `tiles`, `add` the answers, take the maps."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oncoserve.pictures.decode import rgb_of
from oncoserve.pictures.rgb import Warn
from oncoserve.tasks.card import Preprocessing, Segmentation
from oncoserve.tasks.maps.labels import Area, Labels, Rule, areas
from oncoserve.tasks.maps.resolution import model_shape, resample
from oncoserve.tasks.maps.tiles import Blender, Grid, Tile, Tiling, cut
from oncoserve.tasks.picture_fit import Fit
from oncoserve.tasks.tissue import steps
from oncoserve.tasks.tissue.glass import GLASS


@dataclass(frozen=True)
class Reading:
    """How a model sees pictures.

    Attributes:
        part: the card's, on maps.
        preprocessing: the card's.
        side: height and width of the tensor.
    """

    part: Segmentation
    preprocessing: Preprocessing
    side: tuple[int, int]

    def grid_shape(self, shape: tuple[int, int], um_per_px: float | None) -> tuple[int, int]:
        """(h, w) of the model grid for an ORIGINAL of (H, W)."""
        if self.part.tiles is not None:
            return model_shape(shape, um_per_px, self.part.um_per_px)
        left, top, right, bottom = Fit.of(self.preprocessing, shape[::-1], self.side[::-1]).laid
        return bottom - top, right - left

    def grid(self, shape: tuple[int, int]) -> Grid:
        """The tiles over a model grid of (h, w): one, where the whole picture is the tensor."""
        tiles = self.part.tiles
        return Grid.over(shape, Tiling(self.side, *((tiles.overlap, tiles.margin) if tiles else (0, 0))))

    @property
    def outside(self) -> tuple[int, int, int] | None:
        """The colour of what lies outside the picture on a tensor; None for its mirror image."""
        return rgb_of(self.preprocessing.background) if self.part.tiles is None else None


@dataclass(frozen=True)
class Prepared:
    """A picture ready for inference.

    Attributes:
        shape: (H, W) of the ORIGINAL.
        um_per_px: micrometres per ORIGINAL pixel, where they are known.
        regions: (h, w) uint8 on the model grid, see `glass`; None where nobody looked for glass.
        pixels: (h, w, 3) uint8 on the model grid: what the model gets.
        grid: of the tiles.
        positions: (top, left) of the tiles that have to be inferred; empty where there is no tissue.
        outside: see `Reading`.
        warnings: what makes the result doubtful.
    """

    shape: tuple[int, int]
    um_per_px: float | None
    regions: NDArray[np.uint8] | None
    pixels: NDArray[np.uint8]
    grid: Grid
    positions: list[tuple[int, int]]
    outside: tuple[int, int, int] | None
    warnings: tuple[Warn, ...]

    def tiles(self) -> Iterator[Tile]:
        """The tiles to infer, cut one by one."""
        return cut(self.pixels, self.grid.side, self.positions, self.outside)

    def without_answer(self) -> "Prepared":
        """The same, and nothing in it is inferred."""
        nothing = None if self.regions is None else np.full_like(self.regions, GLASS)
        return replace(self, regions=nothing, positions=[])

    def maps(self, blender: Blender) -> "Maps":
        """What was inferred."""
        return Maps(self.shape, self.um_per_px, blender.finish(), self.regions)


@dataclass(frozen=True)
class Maps:
    """What was inferred about a picture; labels follow for any threshold.

    Attributes:
        shape: (H, W) of the ORIGINAL.
        um_per_px: micrometres per ORIGINAL pixel, where they are known.
        probabilities: (h, w, channels) uint8 on the model grid.
        regions: (h, w) uint8 on the model grid; None where nobody looked for glass.
    """

    shape: tuple[int, int]
    um_per_px: float | None
    probabilities: NDArray[np.uint8]
    regions: NDArray[np.uint8] | None

    def labels(self, rule: Rule, threshold: float) -> Labels:
        """On the model grid; see `Rule.label`."""
        return rule.label(self.probabilities, self.regions, threshold)

    def areas(self, labels: Labels, rule: Rule) -> dict[str, Area]:
        """Areas by class."""
        return areas(labels, rule, self.regions, self.shape, self.um_per_px)

    def to_npy(self) -> bytes:
        """The maps as one .npy file, (h, w, channels) uint8; the regions, where there are any, are the last channel."""
        buffer = io.BytesIO()
        parts = [self.probabilities] if self.regions is None else [self.probabilities, self.regions]
        np.save(buffer, np.dstack(parts), allow_pickle=False)
        return buffer.getvalue()

    @classmethod
    def from_npy(cls, data: bytes, shape: tuple[int, int], um_per_px: float | None, channels: int) -> "Maps":
        """Take back what `to_npy` gave.

        Args:
            data: it.
            shape: (H, W) of the ORIGINAL.
            um_per_px: micrometres per ORIGINAL pixel, where they are known.
            channels: of probabilities.
        """
        maps = np.load(io.BytesIO(data), allow_pickle=False)
        return cls(shape, um_per_px, maps[..., :channels], maps[..., channels] if maps.shape[2] > channels else None)


def prepare(pixels: NDArray[np.uint8], um_per_px: float | None, reading: Reading) -> Prepared:
    """Bring a whole picture to the model's resolution and take the steps that its card names.

    Args:
        pixels: (H, W, 3) uint8 RGB, ORIGINAL.
        um_per_px: micrometres per ORIGINAL pixel, where they are known.
        reading: how the model sees it.
    """
    original = pixels.shape[0], pixels.shape[1]
    shape = reading.grid_shape(original, um_per_px)
    picture = resample(pixels, shape, reading.preprocessing.resize_filter)
    scale = (um_per_px or 0) * max(original) / max(shape) if reading.part.um_per_px is None else reading.part.um_per_px
    found = steps.take(reading.part.steps, picture, scale)
    grid = reading.grid(shape)
    wanted = np.ones(shape, np.bool_) if found.regions is None else found.regions != GLASS
    return Prepared(
        original,
        um_per_px,
        found.regions,
        found.pixels,
        grid,
        grid.positions(wanted),
        reading.outside,
        found.warnings,
    )
