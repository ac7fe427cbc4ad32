"""Take everything but the picture out of a PNG or JPEG file, without decoding it again.

Names, dates and places of patients travel in EXIF, comments, text chunks and behind the end of a file; none of it may
reach storage.
"""

import io
import struct
from itertools import pairwise

from oncoserve.pictures.decode import Picture
from oncoserve.pictures.parts import (
    APP,
    DQT,
    DRI,
    EOI,
    PNG_HEADER,
    SOF,
    SOS,
    WITHOUT_LENGTH,
    jpeg_segments,
    png_chunks,
)

PNG_KEPT = {b"IHDR": 13, b"PLTE": 768, b"tRNS": 256, b"IDAT": 2**31 - 1, b"IEND": 0}  # what the pixels need, longest

APP0, APP14 = APP[0], APP[14]
JPEG_KEPT = {*SOF, SOS, DQT, DRI}  # frames, tables, scans, restart intervals


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
    for chunk in png_chunks(data):
        if chunk.end > len(data):
            raise ValueError("chunk runs over the end")
        if chunk.kind in PNG_KEPT:
            if chunk.size > PNG_KEPT[chunk.kind]:
                raise ValueError("chunk holds more than it can")
            parts.append(data[chunk.start : chunk.end])
    return b"".join(parts)


def _jpeg(data: bytes) -> bytes:
    parts = [data[:2]]
    for segment, following in pairwise(jpeg_segments(data)):
        if segment.marker in WITHOUT_LENGTH:
            raise ValueError("a marker, or a byte, that has no place here")
        end = following.start if segment.marker == SOS else segment.end
        if end != following.start:
            raise ValueError("no marker where one has to be")
        if segment.marker in JPEG_KEPT:
            parts.append(data[segment.start : end])
        else:
            parts.append(_application(segment.marker, data[segment.start + 4 : end]))
        if following.marker == EOI:
            return b"".join([*parts, data[following.start : following.end]])
    raise ValueError("no end of image")


def _application(marker: int, content: bytes) -> bytes:
    """What an application segment says about how to read the colours, without all else: JFIF (ITU-T T.871), Adobe."""
    if marker == APP0 and content.startswith(b"JFIF\0"):
        content = content[:12] + b"\0\0"  # no thumbnail
    elif marker == APP14 and content.startswith(b"Adobe"):
        content = content[:12]
    else:
        return b""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
