"""A file without the metadata that cannot be read, as libpng and browsers read it.

A part that only describes the picture is passed over where it is damaged. A part that the pixels come from is not:
nobody would see which of them are wrong. Of an animated PNG the picture is left that readers without animation show.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from oncoserve.errors import CorruptImage, UnsupportedImage
from oncoserve.pictures.kinds.unread import CODECS, Unread
from oncoserve.pictures.png_jpeg.parts import APP, EOI, PNG_HEADER, SOF, SOS, Chunk, Segment, jpeg_segments, png_chunks

ADAM7: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row, and the steps to the next, of the passes of an interlaced PNG (section 8)."""

CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
PALETTE: Final = 3
NEEDED: Final = {b"IHDR": "its header", b"PLTE": "its palette", b"IDAT": "its image data"}
LEAST_BYTES: Final = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9}
LEAST_TRANSPARENCY: Final = {0: 2, 2: 6, 3: 1}
ANIMATION: Final = {b"acTL", b"fcTL", b"fdAT"}
TIFF: Final = (b"II*\0", b"MM\0*")
COMPRESSED_BYTES, INFLATED_BYTES = 2**16, 2**18  # at a time

DHP, EXP, LS = 0xDE, 0xDF, 0xF7
HIERARCHICAL: Final = {SOF[5], SOF[6], SOF[7], SOF[13], SOF[14], SOF[15], DHP, EXP}
LOSSLESS, ARITHMETIC_LOSSLESS = SOF[3], SOF[11]
FRAMES: Final = {SOF[0], SOF[1], SOF[2], SOF[3], SOF[9], SOF[10]}
START_OF_SCAN, END_OF_IMAGE = bytes((0xFF, SOS)), bytes((0xFF, EOI))
NO_BITS: Final = bytes(8)
"""In place of a JPEG's last marker: so far the decoder reads ahead. They make up for no more than the last block."""
LEAST_APPLICATION: Final = {b"JFIF\0": 14, b"Adobe": 12, b"ICC_PROFILE\0": 15}

JPEG_LS: Final = Unread("a JPEG-LS picture", CODECS.format("jls"))
HIERARCHY: Final = Unread(
    "a hierarchical JPEG", words="Save it as a baseline JPEG or a PNG in the program it comes from."
)
LOSSLESS_CODED: Final = Unread("a lossless JPEG with arithmetic coding", words=HIERARCHY.words)
APPLE: Final = Unread("an Apple PNG (CgBI)", "pngcrush -revert-iphone-optimizations in.png out.png")


def mended(data: bytes, kind: str) -> bytes:
    """The file without what readers pass over; the same bytes, not copied, where there is nothing of that.

    Args:
        data: the file, whose structure was checked.
        kind: "PNG" or "JPEG".

    Raises:
        CorruptImage: a part that the pixels need is damaged.
        UnsupportedImage: a variety that is not read.
    """
    left_out = _damaged_chunks(data) if kind == "PNG" else _damaged_segments(data)
    end = NO_BITS if kind == "JPEG" and _lacks_end(data) else b""
    if not (left_out or end):
        return data
    view, position, parts = memoryview(data), 0, []
    for part in left_out:
        parts.append(view[position : part.start])
        position = part.end
    return b"".join([*parts, view[position:], end])


def _damaged_chunks(data: bytes) -> list[Chunk]:
    found, colour, kinds = [], 0, set()
    with suppress(struct.error):  # there is no end, which few readers mind
        for chunk in png_chunks(data):
            kinds.add(chunk.kind)
            if chunk.end > len(data):
                break  # the decoder tells whether the picture is there all the same
            content = memoryview(data)[chunk.start + 8 : chunk.end - 4]
            sound = zlib.crc32(content, zlib.crc32(chunk.kind)) == int.from_bytes(data[chunk.end - 4 : chunk.end])
            needed = chunk.kind[:1].isupper() and (chunk.kind != b"PLTE" or colour == PALETTE)
            if needed and not sound and chunk.kind != b"IEND":
                raise CorruptImage(f"the checksum of {NEEDED.get(chunk.kind, 'a part that it needs')} is wrong")
            if chunk.kind == b"CgBI":
                raise UnsupportedImage(*APPLE)
            if chunk.kind == b"IHDR":
                colour = _colour_type(bytes(content))
            elif needed and chunk.kind == b"PLTE" and not content:
                raise CorruptImage("its palette has no colours")
            elif not needed and not (sound and _is_readable(chunk.kind, bytes(content), colour)):
                found.append(chunk)
    if b"IDAT" not in kinds:
        raise CorruptImage("it has no image data")
    if colour == PALETTE and b"PLTE" not in kinds:
        raise CorruptImage("it has no palette")
    return found


def _colour_type(header: bytes) -> int:
    """The colour type of an IHDR.

    Raises:
        CorruptImage: no PNG has such a header.
    """
    try:
        width, height, depth, colour, _, filters, interlacing = struct.unpack_from(">IIBBBBB", header)
    except struct.error as error:
        raise CorruptImage(f"its header has {len(header)} bytes instead of 13") from error
    if not (width and height):
        raise CorruptImage(f"its header says {width} x {height} pixels")
    if depth not in DEPTHS.get(colour, ()):
        raise CorruptImage(f"its header says colour type {colour} with {depth} bits, which PNG does not have")
    if filters or interlacing > 1:
        raise CorruptImage("its header names a filter or an interlacing that PNG does not have")
    return int(colour)


def _is_readable(kind: bytes, content: bytes, colour: int) -> bool:
    """Whether a chunk that only describes the picture is as it should be."""
    if kind in {b"iCCP", b"zTXt"}:  # a name, a zero, and the one method of compression
        return content.partition(b"\0")[2][:1] == b"\0"
    if kind == b"eXIf":
        return content.startswith(TIFF)
    least = LEAST_TRANSPARENCY.get(colour, 0) if kind == b"tRNS" else LEAST_BYTES.get(kind, 0)
    return kind not in ANIMATION and len(content) >= least


def check_rows(data: bytes) -> None:
    """Refuse a PNG whose compressed data ends before its last row; decoders leave such rows black.

    Args:
        data: a PNG that could be decoded.

    Raises:
        CorruptImage
    """
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, PNG_HEADER + 8)
    wanted = 0
    for left, top, across, down in ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0:
            wanted += rows * (1 + -(-columns * depth * CHANNELS[colour] // 8))
    unpacker, met = zlib.decompressobj(), 0
    for piece in _compressed(data):
        rest: bytes = piece
        while rest and met < wanted and not unpacker.eof:
            met += len(unpacker.decompress(rest, INFLATED_BYTES))
            rest = unpacker.unconsumed_tail
        if met >= wanted:
            return
        if unpacker.eof:
            break
    raise CorruptImage(f"its image data ends after {met} of {wanted} bytes")


def _compressed(data: bytes) -> Iterator[bytes]:
    """The image data of a PNG in small pieces: what is left of one is copied each time that some of it is unpacked."""
    for chunk in png_chunks(data):
        if chunk.kind == b"IDAT":
            for start in range(chunk.start + 8, chunk.end - 4, COMPRESSED_BYTES):
                yield data[start : min(start + COMPRESSED_BYTES, chunk.end - 4)]


def _lacks_end(data: bytes) -> bool:
    """Whether a JPEG ends without its last marker; one that is inside of a thumbnail does not count."""
    return data.find(START_OF_SCAN, max(0, data.rfind(END_OF_IMAGE))) >= 0


def _damaged_segments(data: bytes) -> list[Segment]:
    found = []
    try:
        for segment in jpeg_segments(data):
            content = data[segment.start + 4 : segment.end]
            if segment.marker == SOS:
                break
            if segment.marker in FRAMES:
                _check_frame(segment.marker, content)
            elif segment.marker in HIERARCHICAL:
                raise UnsupportedImage(*HIERARCHY)
            elif segment.marker == ARITHMETIC_LOSSLESS:
                raise UnsupportedImage(*LOSSLESS_CODED)
            elif segment.marker == LS:
                raise UnsupportedImage(*JPEG_LS)
            elif segment.marker in APP and any(
                content.startswith(name) and len(content) < least for name, least in LEAST_APPLICATION.items()
            ):
                found.append(segment)
    except (struct.error, IndexError):
        pass  # it ends too early, which the decoder tells
    return found


def _check_frame(marker: int, content: bytes) -> None:
    bits, height, width, channels = struct.unpack_from(">BHHB", content)
    if bits == 12 or (marker == LOSSLESS and 2 <= bits <= 16 and bits != 8):  # noqa: PLR2004 - what the standard has
        name = f"a {'lossless ' if marker == LOSSLESS else ''}JPEG of {bits} bits a sample"
        raise UnsupportedImage(name, CODECS.format("jpg"))
    if bits != 8:  # noqa: PLR2004 - as above
        raise CorruptImage(f"its header says {bits} bits a sample, which JPEG does not have")
    if not (width and height):
        raise CorruptImage(f"its header says {width} x {height} pixels")
    if channels not in {1, 3, 4}:
        raise UnsupportedImage(f"a JPEG of {channels} channels", words=HIERARCHY.words)
