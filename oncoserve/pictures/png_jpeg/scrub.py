"""Take everything but the picture out of a file; of a PNG or JPEG without decoding it again.

Names, dates and places of patients travel in EXIF, comments, text chunks and behind the end of a file; none of it may
reach storage.
"""

import io
import struct
import zlib
from itertools import pairwise

from oncoserve.pictures.picture import Picture
from oncoserve.pictures.png_jpeg.icc import jpeg_segments_of
from oncoserve.pictures.png_jpeg.parts import (
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

# What the pixels need, longest. The colour profile is written anew.
PNG_KEPT = {b"IHDR": 13, b"sBIT": 4, b"PLTE": 768, b"tRNS": 256, b"IDAT": 2**31 - 1, b"IEND": 0}
PROFILE_NAME = b"icc\0\0"  # and how it is compressed

APP0, APP14 = APP[0], APP[14]
JPEG_KEPT = {*SOF, SOS, DQT, DRI}  # frames, tables, scans, restart intervals


def without_metadata(data: bytes, picture: Picture) -> bytes:
    """The same picture as a file that holds nothing else.

    Compressed data is copied as it is, and of a colour profile what the colours need. Where that is not possible (the
    pixels lie turned by a tag that would be lost, the structure is unusual, or it is DICOM) the pixels are encoded anew
    as PNG.

    Args:
        data: the file as the picture was decoded from it: `Header.data`.
        picture: what was decoded.
    """
    try:
        if picture.format != "DICOM" and not picture.turned:
            profile = picture.reading.used_profile
            return _png(data, profile) if picture.format == "PNG" else _jpeg(data, profile)
    except (struct.error, ValueError, IndexError):
        pass
    buffer = io.BytesIO()
    image = picture.image()
    if picture.scan and picture.scan.window:  # without colours, and so a third of the size
        image = image.convert("L")
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _png(data: bytes, profile: bytes | None) -> bytes:
    parts = [data[:PNG_HEADER]]
    for chunk in png_chunks(data):
        if chunk.end > len(data):
            raise ValueError("chunk runs over the end")
        if chunk.kind in PNG_KEPT:
            if chunk.size > PNG_KEPT[chunk.kind]:
                raise ValueError("chunk holds more than it can")
            parts.append(data[chunk.start : chunk.end])
        if chunk.kind == b"IHDR" and profile:
            parts.append(_chunk(b"iCCP", PROFILE_NAME + zlib.compress(profile)))
    return b"".join(parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _jpeg(data: bytes, profile: bytes | None) -> bytes:
    parts, stated = [data[:2]], jpeg_segments_of(profile or b"")
    for segment, following in pairwise(jpeg_segments(data)):
        if segment.marker in WITHOUT_LENGTH:
            raise ValueError("a marker, or a byte, that has no place here")
        end = following.start if segment.marker == SOS else segment.end
        if end != following.start:
            raise ValueError("no marker where one has to be")
        if segment.marker in JPEG_KEPT:
            parts += [stated, data[segment.start : end]]  # in front of the first of these
            stated = b""
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
