"""A PNG or JPEG file whose picture is not decoded yet, by Pillow."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PIL import Image
from PIL.PngImagePlugin import MAX_TEXT_CHUNK

from oncoserve.errors import CorruptImage, ImageTooComplex, ImageTooLarge
from oncoserve.pictures.orientation import AS_IT_LIES, TAG, TURNS, orientation_of
from oncoserve.pictures.picture import BYTES_PER_PIXEL, DEEP_BYTES_PER_PIXEL, Picture
from oncoserve.pictures.png_jpeg import structure
from oncoserve.pictures.png_jpeg.icc import UnreadableProfileError
from oncoserve.pictures.png_jpeg.mending import check_rows, mended
from oncoserve.pictures.png_jpeg.parts import png_chunk
from oncoserve.pictures.png_jpeg.sixteen_bits import COLOURS
from oncoserve.pictures.png_jpeg.stated import load, raw_mode
from oncoserve.pictures.rgb import to_rgb

if TYPE_CHECKING:
    from oncoserve.pictures.dicom.scan import Scan

# Our own limit is checked on the header before any decoding, and says which limit was met.
Image.MAX_IMAGE_PIXELS = None

QUICK_PIXELS = 2**19
QUICK_MODES = {"RGB", "L"}

PILLOW_GIVES_UP = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    OverflowError,
    AssertionError,  # such as a palette picture without a palette
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class PillowHeader:
    """See `Header`.

    Attributes:
        data: the file as Pillow reads it.
        profile_lost: whether the file had a colour profile that was too damaged to be kept.

    Args:
        image: Pillow's, not loaded.
        format: "PNG" or "JPEG".
        data: see above.
    """

    def __init__(self, image: Image.Image, format: str, data: bytes) -> None:  # noqa: A002 - as in `Picture`
        self._image: Image.Image | None = image
        self._format, self.data = format, data
        self.scan: Scan | None = None
        self.profile_lost = False
        self.width, self.height = image.size
        self.dpi: tuple[float, float] | None = image.info.get("dpi")
        # A JPEG in several scans is put together from coefficients of two bytes each.
        coefficients = 2 * len(image.getbands()) if image.info.get("progressive") else 0
        one_scan = format == "JPEG" and "progressive" not in image.info
        plain = image.mode in QUICK_MODES and "icc_profile" not in image.info
        self.quick = one_scan and plain and self.width * self.height <= QUICK_PIXELS
        least = DEEP_BYTES_PER_PIXEL if raw_mode(image) in COLOURS else BYTES_PER_PIXEL
        self.decoding_bytes = self.width * self.height * max(least, 4 + coefficients)

    def decode(self, background: str, at_least: int | None = None) -> Picture:
        """Decode, once; see `Header`.

        Raises:
            CorruptImage, ImageTooComplex
        """
        image, self._image = self._image, None
        if image is None:
            raise RuntimeError("decoded already")
        with _pillow_errors("image data"):
            if at_least is not None:
                image.draft(None, (at_least, at_least))
            again = partial(_open, self.data, self._format, self.width * self.height)
            source = load(image, self.data, again)
            if self.profile_lost:
                source = replace(source, profile=UnreadableProfileError("it is damaged"))
            self._check_whole(image)
            orientation, dpi = _orientation(image), image.info.get("dpi")
            rgb, reading = to_rgb(source, background)
            del image, source  # there are never more than two copies
            upright = rgb.transpose(TURNS[orientation]) if orientation in TURNS else rgb
        return Picture(upright, self._format, orientation=orientation, reading=reading, dpi=dpi)

    def _check_whole(self, image: Image.Image) -> None:
        """Pillow leaves the rows black that a PNG's data ends before; where the last row is black, it is looked at."""
        last = image.crop((0, image.height - 1, image.width, image.height))
        if self._format == "PNG" and (image.info.get("interlace") or last.getbbox(alpha_only=False) is None):
            check_rows(self.data)


def open_header(data: bytes, name: str, max_pixels: int) -> PillowHeader:
    """What a file says about its picture; what can be refused by structure and header is refused.

    Args:
        data: the file's bytes.
        name: "PNG" or "JPEG", which it is.
        max_pixels: limit on width times height.

    Raises:
        ImageTooLarge, ImageTooComplex, CorruptImage
    """
    structure.check(data, name)
    readable = mended(data, name)
    with _pillow_errors("header"):
        header = PillowHeader(_open(readable, name, max_pixels), name, readable)
    if readable is not data:
        header.decoding_bytes += len(readable)
        header.profile_lost = (
            name == "PNG" and png_chunk(data, b"iCCP") is not None and not png_chunk(readable, b"iCCP")
        )
    return header


def check_header(data: bytes, name: str, max_pixels: int) -> None:
    """Refuse a picture by what its header says, in a file that may be cut off behind it; see `open_header`.

    Raises:
        ImageTooLarge, ImageTooComplex, CorruptImage
    """
    readable = mended(data, name)
    with _pillow_errors("header"), _open(readable, name, max_pixels):
        pass


def _open(data: bytes, name: str, max_pixels: int) -> Image.Image:
    """Read the header."""
    image = Image.open(io.BytesIO(data), formats=[name])
    if image.width * image.height > max_pixels:
        raise ImageTooLarge(image.width, image.height, max_pixels)
    return image


def _orientation(image: Image.Image) -> int:
    """What a loaded file says of its orientation; what cannot be read says nothing, as in browsers."""
    try:
        return orientation_of(image.getexif().get(TAG))
    except PILLOW_GIVES_UP:
        return AS_IT_LIES


@contextmanager
def _pillow_errors(what: str) -> Iterator[None]:
    """What Pillow raises in the block becomes one of our errors, in our words: its own are for programmers.

    Args:
        what: is read in the block, such as "header".
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata that is not used here
            yield
    except PILLOW_GIVES_UP as error:
        if "MAX_TEXT_CHUNK" in str(error):  # Pillow tells this limit only in words
            raise ImageTooComplex("bytes in a compressed text", MAX_TEXT_CHUNK + 1, MAX_TEXT_CHUNK) from error
        # Pillow's parsers raise all of these for damaged files; none of them means a defect of ours here.
        ended = "truncated" in str(error).lower()
        raise CorruptImage("it ends before its picture does" if ended else f"its {what} cannot be read") from error
