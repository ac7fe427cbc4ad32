"""The shapes of what a viewer asks for: tiles, layers, and corrections of objects."""

from typing import Annotated, Literal

from pydantic import Field

from frontend.http.shapes.base_shapes import Shape
from frontend.http.shapes.result_shapes import GreyShape


class CorrectionsShape(Shape):
    """Objects to exclude, by the names that polygons.geojson gives them."""

    excluded: list[Annotated[str, Field(max_length=100)]] = Field(max_length=100_000)


class LayerClass(Shape):
    """A class of a layer, and its colour."""

    name: str
    title: str
    colour: str


class LayerShape(Shape):
    """A layer of tiles.

    `classes`: a channel each; the first that is over 255 times the threshold gives the colour. `strongest`: the number
    of a class, its strength, and the number of the class where that is not over 255 times the threshold; 1 is the first
    class, 0 none. `heat`: one channel; its strength gives the opacity and the colour, between those from none to full.
    `picture` and `drawn`: in colour. `values`: the numbers of a grey DICOM file, the higher byte in the first channel,
    the lower one in the second; the smaller levels have every second pixel.
    """

    name: str
    kind: Literal["picture", "classes", "strongest", "heat", "drawn", "values"]
    classes: list[LayerClass] | None = None
    threshold: float | None = None
    colours: list[str] | None = None
    values: GreyShape | None = None


class TilesShape(Shape):
    """What can be looked at: size in pixels, side of a tile, number of levels, micrometres per pixel if known."""

    width: int
    height: int
    tile: int
    levels: int
    um_per_px: float | None
    layers: list[LayerShape]
