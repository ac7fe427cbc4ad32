"""How the pixels of an instance may be coded, and what is said of other ways."""

import struct
import zlib
from typing import Final

from pydicom.uid import UID

from oncoserve.errors import ImageTooComplex, UnsupportedImage

IMPLICIT: Final = UID("1.2.840.10008.1.2")
"""The default of the standard (PS3.5, section 10), of a file that names none."""
DEFLATED: Final = UID("1.2.840.10008.1.2.1.99")
EXPLICIT: Final = UID("1.2.840.10008.1.2.1")
NATIVE: Final = frozenset({IMPLICIT, EXPLICIT, "1.2.840.10008.1.2.2", DEFLATED})
"""Without compression of the pixels."""
LOSSLESS_JPEG: Final = frozenset({"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})
"""The second by first-order prediction."""
JPEG_LS: Final = frozenset({"1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"})
"""Lossless, and near it."""
JPEG: Final = LOSSLESS_JPEG | JPEG_LS | {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"}
"""And baseline, and extended, of which those of 8 bits are read."""
JPEG_2000: Final = frozenset(
    {"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", *(f"1.2.840.10008.1.2.4.20{number}" for number in (1, 2, 3))}
)
RLE: Final = UID("1.2.840.10008.1.2.5")
READ: Final = NATIVE | JPEG | JPEG_2000 | {RLE}


PREAMBLE: Final = 128
LONG_VRS: Final = frozenset({b"OB", b"UN", b"UT", b"UC", b"SQ"})
"""Of those that may be in the group of the file: two bytes of nothing and four of length follow, not two of length."""
MOST_ELEMENTS: Final = 64
"""Of the group of the file, which has some ten."""


def file_group(data: bytes) -> tuple[str, int]:
    """The transfer syntax that a file states, and where its dataset begins (PS3.10, section 7.1).

    Returns:
        An empty string where it states none.

    Raises:
        struct.error: the group of the file is cut off.
    """
    at, found = PREAMBLE + 4, ""
    if data[PREAMBLE:at] != b"DICM":
        at = 4 if data.startswith(b"DICM") else 0
    for _ in range(MOST_ELEMENTS):
        group, element, vr = struct.unpack_from("<HH2s", data, at)
        if group != 2:  # noqa: PLR2004 - that of the file
            break
        long = vr in LONG_VRS
        (length,) = struct.unpack_from("<I" if long else "<H", data, at + (8 if long else 6))
        begin = at + (12 if long else 8)
        if element == 0x10:  # noqa: PLR2004 - its transfer syntax
            found = data[begin : begin + length].rstrip(b"\0 ").decode("ascii", "replace")
        at = begin + length
    return found, at


def syntax_of(data: bytes) -> UID:
    """A file's transfer syntax.

    Raises:
        UnsupportedImage: it is none that is read; it is named.
        struct.error: the file is cut off.
    """
    syntax = UID(file_group(data)[0] or IMPLICIT)
    if syntax in READ:
        return syntax
    number = f", {syntax}" if syntax.is_valid else ""
    name = syntax.name if syntax.name != syntax else f"a private transfer syntax{number}"
    raise UnsupportedImage(
        f"a DICOM file whose pixels are coded as {name}",
        "dcmdjpeg in.dcm out.dcm (DCMTK), or gdcmconv --raw in.dcm out.dcm",
    )


def inflated(data: bytes, most_bytes: int) -> bytes:
    """The dataset of a deflated file.

    Raises:
        ImageTooComplex: it becomes too large.
        struct.error, zlib.error: it is damaged.
    """
    stream = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    found = stream.decompress(data[file_group(data)[1] :], most_bytes + 1)
    if len(found) > most_bytes:
        raise ImageTooComplex("bytes of a deflated dataset, and more", len(found), most_bytes)
    return found
