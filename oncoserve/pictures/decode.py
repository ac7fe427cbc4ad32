"""Untrusted bytes to pixels: which files are taken, and the door to how each kind becomes 8-bit RGB.

What reads DICOM is imported with the first such file: the library takes half a second of every start, and memory of
every process.
"""

import io
import zlib
from contextlib import suppress

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from oncoserve.errors import CorruptImage, InvalidParameter
from oncoserve.pictures.kinds.sniffing import DICOM, sniff
from oncoserve.pictures.picture import AS_IT_COMES, Chosen, Header, Picture
from oncoserve.pictures.png_jpeg import structure
from oncoserve.pictures.png_jpeg.pillow_header import check_header, open_header


def read_header(data: bytes, max_pixels: int, chosen: Chosen = AS_IT_COMES) -> Header:
    """What a file says about its picture; what can be refused by structure and header is refused.

    Args:
        data: the file's bytes.
        max_pixels: limit on width times height.
        chosen: of a DICOM file.

    Raises:
        EmptyUpload, UnsupportedImage, ImageTooLarge, ImageTooComplex, CorruptImage, InvalidParameter
    """
    name = sniff(data)
    if name == DICOM:
        return _dicom_header(data, max_pixels, chosen)
    _refuse_choice(name, chosen)
    return open_header(data, name, max_pixels)


def _dicom_header(data: bytes, max_pixels: int, chosen: Chosen) -> Header:
    from oncoserve.pictures.dicom.dicom_header import DicomHeader  # noqa: PLC0415 - see above

    return DicomHeader(data, max_pixels, chosen)


def _refuse_choice(name: str, chosen: Chosen) -> None:
    """A PNG or JPEG is one picture, and what it shows is what its maker chose.

    Raises:
        InvalidParameter
    """
    for parameter, value in (("window", chosen.window), ("frame", chosen.frame)):
        if value is not None and (parameter, value) != ("frame", 1):
            raise InvalidParameter(f"Parameter '{parameter}' is {value}; it is for DICOM files, and this is a {name}.")


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
    if name == DICOM:
        _dicom_header(data, max_pixels, AS_IT_COMES)
        return
    structure.check(data, name)
    check_header(data, name, max_pixels)


def check_beginning(data: bytes, max_pixels: int) -> None:
    """Refuse a picture by the beginning of its file; a header that does not end there is no fault.

    Raises:
        EmptyUpload, UnsupportedImage, ImageTooLarge, ImageTooComplex, CorruptImage: the content of a PNG or JPEG was
            changed as if it were text.
    """
    name = sniff(data)
    with suppress(CorruptImage):
        if name == DICOM:
            from oncoserve.pictures.dicom.dicom_header import check_syntax  # noqa: PLC0415 - see above

            check_syntax(data)
        else:
            check_header(data, name, max_pixels)


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
