"""Untrusted bytes to pixels: which files are taken, and how each kind of them becomes 8-bit RGB."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import MAX_TEXT_CHUNK, PngInfo

from oncoserve.errors import CorruptImage, ImageTooComplex, ImageTooLarge
from oncoserve.pictures import structure
from oncoserve.pictures.bands import bands
from oncoserve.pictures.icc import UnreadableProfileError
from oncoserve.pictures.kinds.sniffing import sniff
from oncoserve.pictures.mending import check_rows, mended
from oncoserve.pictures.orientation import AS_IT_LIES, TAG, TURNS, orientation_of
from oncoserve.pictures.parts import png_chunk
from oncoserve.pictures.rgb import Reading, Warn, to_rgb
from oncoserve.pictures.sixteen_bits import COLOURS
from oncoserve.pictures.stated import load, raw_mode

# Our own limit is checked on the header before any decoding, and says which limit was met.
Image.MAX_IMAGE_PIXELS = None

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
BYTES_PER_PIXEL = 8  # while a picture is decoded or drawn: Pillow takes four, and a second copy comes of most changes
DEEP_BYTES_PER_PIXEL = 12  # with colours of 16 bits: two pictures of Pillow's, and what is made of them a third


class Picture:
    """A decoded upload.

    Attributes:
        format: "PNG" or "JPEG".
        orientation: how the file's own pixels lie (EXIF), 1 to 8; see `pictures.orientation`.
        turned: whether they lie otherwise than here.
        reading: how the file's samples became 8-bit sRGB.
        dpi: pixels per inch along x and y, if the file states them.
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
    ) -> None:
        self._image: Image.Image | None = image
        self.format = format
        self.orientation = orientation
        self.turned = orientation != AS_IT_LIES
        self.reading = reading or Reading()
        self.dpi = dpi
        self.width, self.height = image.size

    @property
    def warnings(self) -> tuple[Warn, ...]:
        """What was done to get there that can change an answer."""
        return self.reading.warnings

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


class Header:
    """A file whose picture is not decoded yet.

    Attributes:
        width: pixels, as they lie in the file.
        height: pixels, as they lie in the file.
        dpi: pixels per inch along x and y, if the file states them.
        data: the file as Pillow reads it.
        profile_lost: whether the file had a colour profile that was too damaged to be kept.
        decoding_bytes: what decoding takes at most, the picture itself among it, the file not.

    Args:
        image: Pillow's, not loaded.
        format: "PNG" or "JPEG".
        data: see above.
    """

    def __init__(self, image: Image.Image, format: str, data: bytes) -> None:  # noqa: A002 - as in `Picture`
        self._image: Image.Image | None = image
        self._format, self.data = format, data
        self.profile_lost = False
        self.width, self.height = image.size
        self.dpi: tuple[float, float] | None = image.info.get("dpi")
        # A JPEG in several scans is put together from coefficients of two bytes each.
        coefficients = 2 * len(image.getbands()) if image.info.get("progressive") else 0
        least = DEEP_BYTES_PER_PIXEL if raw_mode(image) in COLOURS else BYTES_PER_PIXEL
        self.decoding_bytes = self.width * self.height * max(least, 4 + coefficients)

    def decode(self, background: str, at_least: int | None = None) -> Picture:
        """Decode, once; see `decode`.

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


def read_header(data: bytes, max_pixels: int) -> Header:
    """What a file says about its picture; what can be refused by structure and header is refused.

    Raises:
        EmptyUpload, UnsupportedImage, ImageTooLarge, ImageTooComplex, CorruptImage
    """
    name = sniff(data)
    structure.check(data, name)
    readable = mended(data, name)
    with _pillow_errors("header"):
        header = Header(_open(readable, name, max_pixels), name, readable)
    if readable is not data:
        header.decoding_bytes += len(readable)
        header.profile_lost = (
            name == "PNG" and png_chunk(data, b"iCCP") is not None and not png_chunk(readable, b"iCCP")
        )
    return header


def decode(data: bytes, max_pixels: int, background: str, at_least: int | None = None) -> Picture:
    """Decode to upright 8-bit sRGB; what can be refused by structure and header is refused before.

    16-bit samples are scaled by the range that is used, CMYK, palettes and colour profiles are converted, transparency
    is laid over `background`, EXIF orientation is applied. Of an animated PNG the first picture is taken.

    Args:
        data: the file's bytes.
        max_pixels: limit on width times height.
        background: "#rrggbb" for transparent pixels.
        at_least: a side in pixels that is enough: a JPEG is then decoded at a half, quarter or eighth of its size.

    Raises:
        EmptyUpload, UnsupportedImage, ImageTooLarge, ImageTooComplex, CorruptImage
    """
    return read_header(data, max_pixels).decode(background, at_least)


def check(data: bytes, max_pixels: int) -> None:
    """Refuse what can be refused without decoding.

    Raises:
        EmptyUpload, UnsupportedImage, ImageTooLarge, ImageTooComplex, CorruptImage
    """
    name = sniff(data)
    structure.check(data, name)
    check_size(data, name, max_pixels)


def check_size(data: bytes, name: str, max_pixels: int, *, whole: bool = True) -> None:
    """Refuse a picture by what its header says.

    Args:
        data: the file's bytes.
        name: what `sniff` found.
        max_pixels: limit on width times height.
        whole: whether these are all bytes; a header that does not end in a part is no fault.

    Raises:
        UnsupportedImage, ImageTooLarge, ImageTooComplex, CorruptImage
    """
    try:
        readable = mended(data, name)
        with _pillow_errors("header"), _open(readable, name, max_pixels):
            pass
    except CorruptImage:
        if whole:
            raise


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


def to_png(image: Image.Image, text: dict[str, str]) -> bytes:
    """Encode as PNG with `text` as its only metadata; quick rather than small.

    Run-length matching took a sixth less time than zlib's own on photographs, for a slightly smaller file.
    """
    info = PngInfo()
    for key, value in text.items():
        info.add_itxt(key, value)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE, pnginfo=info)
    return buffer.getvalue()


def rgb_of(colour: str) -> tuple[int, int, int]:
    """Red, green and blue (0-255) of a colour like "#d55e00"."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
