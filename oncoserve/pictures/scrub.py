"""Take everything but the picture out of a PNG or JPEG file, without decoding it again.

Names, dates and places of patients travel in EXIF, comments, text chunks and behind the end of a file; none of it may
reach storage. The structure is read after the JPEG (ITU-T T.81, annex B) and PNG (W3C, section 5) specifications.
"""

import io
import re
import struct

from oncoserve.pictures.decode import Picture

PNG_HEADER = 8
PNG_KEPT = {b"IHDR": 13, b"PLTE": 768, b"tRNS": 256, b"IDAT": 2**31 - 1, b"IEND": 0}  # what the pixels need, longest

# A marker inside entropy-coded data: not a stuffed zero, not a restart, not a fill byte.
JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
EOI, SOS, APP0, APP14 = 0xD9, 0xDA, 0xE0, 0xEE
JPEG_KEPT = {*range(0xC0, 0xD0), SOS, 0xDB, 0xDD}  # frames, tables, scans, restart intervals
WITHOUT_LENGTH = {0x00, 0x01, *range(0xD0, 0xD9), 0xFF}


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
            if length > PNG_KEPT[kind]:
                raise ValueError("chunk holds more than it can")
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
        if marker in WITHOUT_LENGTH:
            raise ValueError("a marker that has no place here")
        (length,) = struct.unpack_from(">H", data, position + 2)
        end = position + 2 + length
        if marker == SOS:
            found = JPEG_MARKER.search(data, end)
            if found is None:
                raise ValueError("no end of image")
            end = found.start()
        if marker in JPEG_KEPT:
            parts.append(data[position:end])
        else:
            parts.append(_application(marker, data[position + 4 : end]))
        position = end


def _application(marker: int, content: bytes) -> bytes:
    """What an application segment says about how to read the colours, without all else: JFIF (ITU-T T.871), Adobe."""
    if marker == APP0 and content.startswith(b"JFIF\0"):
        content = content[:12] + b"\0\0"  # no thumbnail
    elif marker == APP14 and content.startswith(b"Adobe"):
        content = content[:12]
    else:
        return b""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
