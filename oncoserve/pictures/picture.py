"""A picture before and after its pixels are decoded, whatever file it came in."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oncoserve.pictures.bands import bands
from oncoserve.pictures.orientation import AS_IT_LIES
from oncoserve.pictures.rgb import Reading, Warn

if TYPE_CHECKING:
    from oncoserve.pictures.dicom.scan import Scan

BYTES_PER_PIXEL = 8  # while a picture is decoded or drawn: Pillow takes four, and a second copy comes of most changes
DEEP_BYTES_PER_PIXEL = 12  # with colours of 16 bits: two pictures of Pillow's, and what is made of them a third


@dataclass(frozen=True)
class Chosen:
    """What is looked at of a file that holds more than one picture can show: DICOM.

    Attributes:
        frame: its number, from 1 on; None for the only one, or the first.
        window: see `dicom.brightness.brightness`; None for the file's own.
    """

    frame: int | None = None
    window: str | None = None


AS_IT_COMES: Final = Chosen()


class Picture:
    """A decoded upload.

    Attributes:
        format: "PNG", "JPEG" or "DICOM".
        orientation: how the file's own pixels lie (EXIF), 1 to 8; see `pictures.orientation`.
        turned: whether they lie otherwise than here.
        reading: how the file's samples became 8-bit sRGB.
        dpi: pixels per inch along x and y, if the file states them.
        scan: where, how and how large it was taken, as a DICOM file says it.
        source: a DICOM file with all that it said and no pixels, patient and all: for what has to refer to it.
        values: a PNG of a grey DICOM file's numbers; see `grey_values`.
        width: of the upright picture.
        height: of the upright picture.

    Args:
        image: mode RGB, upright.
    """

    def __init__(
        self,
        image: Image.Image,
        format: str,  # noqa: A002 - Pillow's word, and the one in the result
        *,
        orientation: int = AS_IT_LIES,
        reading: Reading | None = None,
        dpi: tuple[float, float] | None = None,
        scan: "Scan | None" = None,
        source: bytes | None = None,
        values: bytes | None = None,
    ) -> None:
        self._image: Image.Image | None = image
        self.format = format
        self.orientation = orientation
        self.turned = orientation != AS_IT_LIES
        self.reading = reading or Reading()
        self.dpi = dpi
        self.scan = scan
        self.source = source
        self.values = values
        self.width, self.height = image.size

    @property
    def mm_per_px(self) -> float | None:
        """Millimetres per pixel in the patient, where the file says it in a way that can be believed."""
        return self.scan.spacing.mm if self.scan else None

    @property
    def warnings(self) -> tuple[Warn, ...]:
        """What was done to get there that can change an answer."""
        return (*self.reading.warnings, *(self.scan.warnings if self.scan else ()))

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        image = self.image()
        # In bands: Pillow hands out a picture by way of two copies of it.
        pixels = np.empty((self.height, self.width, 3), np.uint8)
        for top, bottom in bands(self.height):
            pixels[top:bottom] = np.asarray(image.crop((0, top, self.width, bottom)))
        self._image = None  # Pillow keeps four bytes a pixel: of a large picture one copy is enough
        return pixels

    def release(self) -> None:
        """Let go of the pixels, which nobody needs any more; what is known about them stays."""
        self._image = None
        self.__dict__.pop("pixels", None)

    def image(self) -> Image.Image:
        """The same as Pillow's image, mode RGB."""
        if self._image is not None:
            return self._image
        if "pixels" not in self.__dict__:
            raise RuntimeError("the pixels were released")
        return Image.fromarray(self.pixels)


class Header(Protocol):
    """A file whose picture is not decoded yet.

    Attributes:
        width: pixels, as they lie in the file.
        height: pixels, as they lie in the file.
        dpi: pixels per inch along x and y, if the file states them.
        scan: see `Picture`.
        data: the file as it is decoded.
        decoding_bytes: what decoding takes at most, the picture itself among it, the file not.
        quick: whether decoding takes a few milliseconds: a small JPEG in one scan, with no colours to convert.
    """

    width: int
    height: int
    dpi: tuple[float, float] | None
    scan: "Scan | None"
    data: bytes
    decoding_bytes: int
    quick: bool

    def decode(self, background: str, at_least: int | None = None) -> Picture:
        """Decode, once; see `decode.decode`.

        Raises:
            UnsupportedImage, CorruptImage, ImageTooComplex, InvalidParameter
        """
        ...
