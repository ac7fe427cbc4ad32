"""Take everything but the picture out of a PNG or JPEG file, without decoding it again.

Names, dates and places of patients travel in EXIF, comments, text chunks and behind the end of a file; none of it may
reach storage. The structure is read after the JPEG (ITU-T T.81, annex B) and PNG (W3C, section 5) specifications.
"""

import io
import re
import struct

from frontend.images import Picture

PNG_HEADER = 8
PNG_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}  # what the pixels need

# A marker inside entropy-coded data: not a stuffed zero, not a restart, not a fill byte.
JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
SOI, EOI, SOS, COMMENT = 0xD8, 0xD9, 0xDA, 0xFE
APP0, APP14, APP15 = 0xE0, 0xEE, 0xEF  # JFIF and Adobe say how to read the colours; the other APPn are metadata


def without_metadata(data: bytes, picture: Picture) -> bytes:
    """The same picture as a file that holds nothing else.

    Compressed data is copied as it is. Where that is not possible (the pixels lie turned by a tag that would be lost,
    or the structure is unusual) the pixels are encoded anew as PNG.
    """
    try:
        if not picture.turned:
            return _png(data) if picture.format == "PNG" else _jpeg(data)
    except (struct.error, ValueError, IndexError):
        pass
    buffer = io.BytesIO()
    picture.image().save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _png(data: bytes) -> bytes:
    parts = [data[:PNG_HEADER]]
    position = PNG_HEADER
    kind = b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise ValueError("chunk runs over the end")
        if kind in PNG_KEPT:
            parts.append(data[position:end])
        position = end
    return b"".join(parts)


def _jpeg(data: bytes) -> bytes:
    parts = [data[:2]]
    position = 2
    while True:
        if data[position] != 0xFF:  # noqa: PLR2004 - every marker begins so
            raise ValueError("no marker where one has to be")
        marker = data[position + 1]
        if marker == EOI:
            return b"".join([*parts, data[position : position + 2]])
        (length,) = struct.unpack_from(">H", data, position + 2)
        end = position + 2 + length
        if marker == SOS:
            found = JPEG_MARKER.search(data, end)
            if found is None:
                raise ValueError("no end of image")
            end = found.start()
        if not (APP0 < marker <= APP15 and marker != APP14) and marker != COMMENT:
            parts.append(data[position:end])
        position = end
