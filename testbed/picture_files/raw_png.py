"""PNG files byte by byte: depths, filters, interlacing and chunks that no encoder here writes."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""By channels: grey, grey and alpha, RGB, RGB and alpha."""
# First column and row, and steps, of the seven passes of an interlaced file.
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def wrong_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk whose checksum is another one's."""
    whole = chunk(kind, content)
    return whole[:-1] + bytes([whole[-1] ^ 1])


def png_file(header: bytes, *chunks: bytes) -> bytes:
    """A file that begins and ends as it should.

    Args:
        header: The content of the first chunk.
        chunks: Between the first and the last.
    """
    return SIGNATURE + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND")


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises width x height pixels and holds next to nothing: a decompression bomb's header."""
    ihdr = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return png_file(ihdr, chunk(b"IDAT", zlib.compress(bytes(100))))


def raw_png(
    samples: NDArray[np.integer],
    bits: int = 16,
    *,
    chunks: bytes = b"",
    filter_type: int | None = None,
    interlaced: bool = False,
) -> bytes:
    """A file of exactly these samples.

    Args:
        samples: (h, w) of grey, or (h, w, channels), within `bits`.
        bits: Of a sample: 16, 8, or of grey also 4, 2 and 1.
        chunks: Comes between the header and the picture.
        filter_type: Of every row, 0 to 4; left out, each row has another.
        interlaced: In seven passes.
    """
    pixels = samples.reshape(*samples.shape[:2], -1)
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, bits, COLOUR_TYPES[channels], 0, 0, int(interlaced))
    passes = [pixels[y::down, x::right] for x, y, right, down in ADAM7] if interlaced else [pixels]
    step = max(1, bits * channels // 8)
    rows = b"".join(each for part in passes if part.size for each in _filtered(_packed(part, bits), step, filter_type))
    return png_file(header, chunks, chunk(b"IDAT", zlib.compress(rows)))


def _packed(pixels: NDArray[np.integer], bits: int) -> NDArray[np.uint8]:
    """(h, bytes of a row) uint8."""
    flat = pixels.reshape(len(pixels), -1)
    if bits >= 8:  # noqa: PLR2004 - whole bytes
        return flat.astype(f">u{bits // 8}").view(np.uint8)
    each = flat.astype(np.uint8)[..., np.newaxis] >> np.arange(bits - 1, -1, -1, dtype=np.uint8) & 1
    packed: NDArray[np.uint8] = np.packbits(each.reshape(len(flat), -1), axis=1)
    return packed


def _filtered(rows: NDArray[np.uint8], step: int, filter_type: int | None) -> Iterator[bytes]:
    above = np.zeros_like(rows[0])
    for number, row in enumerate(rows):
        kind = number % 5 if filter_type is None else filter_type
        left, corner = (np.concatenate([np.zeros(step, np.uint8), each[:-step]]) for each in (row, above))
        yield bytes([kind]) + (row - _predicted(kind, left, above, corner)).tobytes()
        above = row


def _predicted(
    kind: int, left: NDArray[np.uint8], above: NDArray[np.uint8], corner: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    a, b, c = (each.astype(int) for each in (left, above, corner))
    far = [np.abs(a + b - c - each) for each in (a, b, c)]
    paeth = np.where((far[0] <= far[1]) & (far[0] <= far[2]), a, np.where(far[1] <= far[2], b, c))
    predicted: NDArray[np.uint8] = np.stack([np.zeros_like(a), a, b, (a + b) // 2, paeth])[kind].astype(np.uint8)
    return predicted
