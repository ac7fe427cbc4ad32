"""The parts that PNG and JPEG files are made of: chunks and segments, in order and without decoding anything.

Read after the PNG (W3C, section 5) and JPEG (ITU-T T.81, annex B) specifications. A file may end anywhere: the
functions below raise `struct.error` or `IndexError` where it ends inside a part.
"""

import re
import struct
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

PNG_HEADER: Final = 8
"""Bytes before the first chunk of a PNG."""

SOI, EOI, SOS, TEM, STRAY = 0xD8, 0xD9, 0xDA, 0x01, 0x00
SOF, DHT, JPG, DAC, DQT, DRI, APP, COM = range(0xC0, 0xD0), 0xC4, 0xC8, 0xCC, 0xDB, 0xDD, range(0xE0, 0xF0), 0xFE
WITHOUT_LENGTH: Final = frozenset({STRAY, TEM, *range(0xD0, 0xDA)})
"""Markers that no segment follows: restarts, start and end of the image, TEM; and what is no marker at all."""
WITH_LENGTH: Final = frozenset(range(0x100)) - WITHOUT_LENGTH - {0xFF}

# A marker behind the first scan: not a stuffed zero, not a restart, not a fill byte.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


class Chunk(NamedTuple):
    """A chunk of a PNG, at `data[start:end]` with its length and checksum; `size` counts its content alone, bytes."""

    kind: bytes
    start: int
    end: int
    size: int


def png_chunks(data: bytes) -> Iterator[Chunk]:
    """The chunks up to IEND; the last one may promise more bytes than there are.

    Raises:
        struct.error: the file ends before IEND.
    """
    position, kind = PNG_HEADER, b""
    while kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + size
        yield Chunk(kind, position, end, size)
        position = end


def png_chunk(data: bytes, kind: bytes) -> bytes | None:
    """The content of a chunk that comes before the picture; None where there is none of that kind."""
    try:
        for chunk in png_chunks(data):
            if chunk.kind == kind:
                return data[chunk.start + 8 : chunk.end - 4]
            if chunk.kind == b"IDAT":
                break
    except struct.error:
        pass
    return None


class Segment(NamedTuple):
    """A segment of a JPEG, at `data[start:end]` with its marker.

    Compressed data follows a scan's header (`SOS`), up to the start of the next segment. `STRAY` is a byte outside of
    any segment, in front of the first scan.
    """

    marker: int
    start: int
    end: int


def jpeg_segments(data: bytes, stepped_over: Collection[int] = WITH_LENGTH) -> Iterator[Segment]:
    """The segments up to the end of the image, as they are asked for.

    Args:
        data: the file.
        stepped_over: markers in front of the first scan whose segments are passed by their length. The content of all
            others is looked at byte by byte, as Pillow does with those that it does not know.

    Raises:
        struct.error, IndexError: the file ends in front of the first scan, or inside a segment.
    """
    position, marker = 2, SOI
    while marker != SOS:
        if data[position] != 0xFF or data[position + 1] in {STRAY, 0xFF}:  # noqa: PLR2004 - every marker begins so
            yield Segment(STRAY, position, position + 1)
            position += 1
            continue
        marker = data[position + 1]
        end = position + 2 + (_length(data, position) if marker in stepped_over or marker == SOS else 0)
        yield Segment(marker, position, end)
        position = end
    while marker != EOI and (found := _MARKER.search(data, position)):
        marker = data[found.start() + 1]
        position = found.end() + (0 if marker in {TEM, EOI} else _length(data, found.start()))
        yield Segment(marker, found.start(), position)


def _length(data: bytes, start: int) -> int:
    """Bytes of the segment that starts there, the two of its marker not counted."""
    return int(struct.unpack_from(">H", data, start + 2)[0])
