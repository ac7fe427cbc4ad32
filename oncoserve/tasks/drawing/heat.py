"""Maps of 0 to 1 as colours over a picture."""

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oncoserve.pictures.bands import bands
from oncoserve.tasks.base import Layer, OverlayOptions, Stored
from oncoserve.tasks.card import Card

GRID_SIDE = 1024  # pixels of the viewer's layer along its longer side: a map has a few cells, and this shows all of it

# A sequential map from black over red and yellow to white: order stays readable without colour vision.
HEAT = np.array([[0, 0, 0], [120, 0, 40], [220, 50, 0], [255, 170, 0], [255, 255, 200]], dtype=np.float32)
NO_HEAT = np.zeros((1, 1), dtype=np.float32)  # a map of nothing


def stored_heat(stored: Stored, file: str) -> NDArray[np.float32]:
    """(h, w) float32, 0 to 1, as a result keeps it; a map of nothing where the model was not asked.

    Args:
        stored: the result.
        file: an .npy file of it: floating point, or uint8 for 0 to 255.
    """
    if file not in stored.files:
        return NO_HEAT
    values: NDArray[Any] = np.load(io.BytesIO(stored.files[file]), allow_pickle=False)
    return (values / 255 if values.dtype == np.uint8 else values).astype(np.float32)


def heat_layer(file: str) -> Layer:
    """The layer of such a file."""
    return Layer("heat", lambda stored: grid(stored_heat(stored, file), stored.document["image"]), legend)


def draw_heat(
    stored: Stored,
    values: NDArray[np.float32],
    options: OverlayOptions,
    mark: Callable[[Image.Image, int], None] | None = None,
) -> Image.Image:
    """A map over the picture, or alone; the stronger, the more opaque.

    Made in bands of rows: at once, the map and its colours would take six times the memory of the picture.

    Args:
        stored: the result.
        values: see `strengths`.
        options: how it is drawn.
        mark: draws more on a part of the layer, mode RGBA, that begins at that row.

    Returns:
        Mode RGB, or RGBA without the picture.
    """
    picture = stored.picture().image() if options.base == "picture" else None
    size = stored.document["image"]["width"], stored.document["image"]["height"]
    drawn = Image.new("RGBA" if picture is None else "RGB", size, None)  # not filled: every pixel is written
    for top, bottom in bands(size[1]):
        layer = coloured(strengths(values, size, (top, bottom)), options.opacity)
        if mark is not None:
            mark(layer, top)
        if picture is not None:
            layer = lay_over(picture.crop((0, top, size[0], bottom)), layer)
        drawn.paste(layer, (0, top))
    return drawn


def strengths(
    values: NDArray[np.float32], size: tuple[int, int], rows: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """A map in the size of a picture, smooth: (height, width) uint8.

    Args:
        values: (h, w) float32, 0 to 1; its cells tile the picture.
        size: width and height in pixels.
        rows: the first, and the one after the last, where not all are wanted.
    """
    (width, height), (top, bottom) = size, rows or (0, size[1])
    scale = len(values) / height
    box = (0, top * scale, values.shape[1], bottom * scale)
    smooth = Image.fromarray(values).resize((width, bottom - top), Image.Resampling.BICUBIC, box)
    return (np.asarray(smooth).clip(0, 1) * 255).round().astype(np.uint8)


def grid(values: NDArray[np.float32], image: Mapping[str, int]) -> NDArray[np.uint8]:
    """A map in the shape of a picture, but no larger than a viewer needs: (height, width) uint8.

    Args:
        values: see `strengths`.
        image: the picture's `width` and `height` in pixels.
    """
    scale = min(1, GRID_SIDE / max(image["width"], image["height"]))
    return strengths(values, (max(1, round(image["width"] * scale)), max(1, round(image["height"] * scale))))


def legend(card: Card) -> dict[str, Any]:
    """The colours of the weakest to the strongest, for a viewer; the same for every model."""
    del card
    return {"colours": ["#" + "".join(f"{part:02x}" for part in stop) for stop in HEAT.astype(int).tolist()]}


def coloured(strength: NDArray[np.uint8], opacity: float) -> Image.Image:
    """Colour a map; the stronger, the more opaque.

    Args:
        strength: (height, width) uint8.
        opacity: of the strongest value, 0 to 1.

    Returns:
        Mode RGBA.
    """
    alpha = (np.arange(256) * opacity).round().astype(np.uint8)[strength]
    return Image.fromarray(np.dstack([_heat_table()[strength], alpha]))


def lay_over(picture: Image.Image, layer: Image.Image) -> Image.Image:
    """The picture under an RGBA layer of its size, mode RGB."""
    base = picture.convert("RGBA")
    base.alpha_composite(layer)
    return base.convert("RGB")


def _heat_table() -> NDArray[np.uint8]:
    """(256, 3) uint8 RGB: the colour of each strength."""
    stops = np.linspace(0, 255, len(HEAT))
    return np.column_stack([np.interp(np.arange(256), stops, HEAT[:, channel]) for channel in range(3)]).astype(
        np.uint8
    )
