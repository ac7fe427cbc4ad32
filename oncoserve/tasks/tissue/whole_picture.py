"""A picture on its way to the model and back: `prepare`, send its `tiles`, `add` the answers, take the segmentation."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oncoserve.pictures.rgb import Warn
from oncoserve.tasks.regions.grids import at_original
from oncoserve.tasks.tissue import quality, stains
from oncoserve.tasks.tissue.glass import GLASS, TISSUE, analysis_picture, regions, white_mask
from oncoserve.tasks.tissue.labels import Area, areas, label
from oncoserve.tasks.tissue.resolution import MODEL_UM_PER_PX, resample
from oncoserve.tasks.tissue.tiles import CLASSES, Blender, Grid, Tile, cut


@dataclass(frozen=True)
class Prepared:
    """A picture ready for inference.

    Attributes:
        shape: (H, W) of the ORIGINAL.
        um_per_px: micrometres per ORIGINAL pixel.
        regions: (h, w) uint8 on the model grid; see `glass`.
        channels: (h, w, 3) uint8; eosin, haematoxylin, optical density.
        parameters: of the stains, None where none were found.
        grid: of the tiles.
        positions: (top, left) of the tiles that have to be inferred; empty where there is no tissue.
        warnings: what makes the result doubtful.
    """

    shape: tuple[int, int]
    um_per_px: float
    regions: NDArray[np.uint8]
    channels: NDArray[np.uint8]
    parameters: stains.StainParameters | None
    grid: Grid
    positions: list[tuple[int, int]]
    warnings: tuple[Warn, ...]

    def tiles(self) -> Iterator[Tile]:
        """The tiles to infer, cut one by one."""
        return cut(self.channels, self.positions)

    def without_tissue(self) -> "Prepared":
        """The same, and nothing in it is inferred."""
        return replace(self, regions=np.full_like(self.regions, GLASS), positions=[])

    def blender(self, answers: int = 1) -> Blender:
        """What takes the answers, that many to each tile."""
        return Blender(self.grid, answers)


@dataclass(frozen=True)
class Segmentation:
    """What was inferred about a picture; labels follow for any threshold.

    Attributes:
        shape: (H, W) of the ORIGINAL.
        um_per_px: micrometres per ORIGINAL pixel.
        probabilities: (h, w, 3) uint8 on the model grid; lumen, epithelium, background.
        regions: (h, w) uint8 on the model grid.
    """

    shape: tuple[int, int]
    um_per_px: float
    probabilities: NDArray[np.uint8]
    regions: NDArray[np.uint8]

    def labels(self, threshold: float) -> NDArray[np.uint8]:
        """(h, w) uint8 on the model grid; see `labels`."""
        return label(self.probabilities, self.regions, threshold)

    def areas(self, labels: NDArray[np.uint8]) -> dict[str, Area]:
        """Areas by class."""
        return areas(labels, self.shape, self.um_per_px)

    def to_npy(self) -> bytes:
        """The maps as one .npy file, (h, w, 4) uint8."""
        buffer = io.BytesIO()
        np.save(buffer, np.dstack([self.probabilities, self.regions]), allow_pickle=False)
        return buffer.getvalue()

    @classmethod
    def from_npy(cls, data: bytes, shape: tuple[int, int], um_per_px: float) -> "Segmentation":
        """Take back what `to_npy` gave."""
        maps = np.load(io.BytesIO(data), allow_pickle=False)
        return cls(shape, um_per_px, maps[..., :3], maps[..., 3])


def prepare(pixels: NDArray[np.uint8], um_per_px: float) -> Prepared:
    """Find tissue and stains in a whole picture and turn it into the model's channels.

    Args:
        pixels: (H, W, 3) uint8 RGB, ORIGINAL.
        um_per_px: micrometres per ORIGINAL pixel.
    """
    picture = resample(pixels, um_per_px)
    shape = picture.shape[0], picture.shape[1]
    reduced = analysis_picture(picture)
    reduced_um_per_px = MODEL_UM_PER_PX * max(shape) / max(reduced.shape[:2])
    white = white_mask(reduced)
    found = regions(white, reduced_um_per_px)
    parameters = None
    channels = np.zeros((*shape, CLASSES), np.uint8)
    warnings: tuple[Warn, ...]
    try:
        parameters = stains.estimate(reduced, white)
    except stains.StainsNotFound:
        # A picture of one colour has something that is not white, which the caller should hear about.
        warnings = (quality.NO_TISSUE,) if white.all() else (quality.NO_TISSUE, quality.NOT_HE_COLOURS)
        found = np.full_like(found, GLASS)
    else:
        channels = stains.separate(picture, parameters)
        warnings = _doubts(reduced, found, parameters, reduced_um_per_px)
    whole = at_original(found, shape)
    grid = Grid.over(shape)
    original = pixels.shape[0], pixels.shape[1]
    positions = grid.positions(whole != GLASS)
    return Prepared(original, um_per_px, whole, channels, parameters, grid, positions, warnings)


def _doubts(
    reduced: NDArray[np.uint8], found: NDArray[np.uint8], parameters: stains.StainParameters, um_per_px: float
) -> tuple[Warn, ...]:
    density = stains.density(reduced, parameters.intensity)
    tissue = found == TISSUE
    return (
        *quality.tissue_warnings(found, um_per_px),
        *quality.colour_warnings(density, tissue),
        *quality.sharpness_warnings(density, tissue),
    )
