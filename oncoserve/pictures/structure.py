"""How much work a file asks for, told from its structure before anything is decoded.

Decoders walk over chunks, segments and scans one by one, and a few bytes are enough to ask for each: 10 MB of fill
bytes cost 6 s, 1000 empty scans of a picture of 100 megapixels some minutes. The structure is read after the JPEG
(ITU-T T.81, annex B) and PNG (W3C, section 5) specifications, as tolerantly as the decoders read it.
"""

import re
import struct

from oncoserve.errors import ImageTooComplex

MAX_SCANS = 50  # encoders make about ten; each costs up to 0.2 s at 100 megapixels
MAX_COMPRESSED_TEXTS = 16  # each may become 1 MiB
MAX_PARTS, BYTES_PER_PART = 1000, 1024  # chunks or segments: so many in any file, and more in a larger one

PNG_HEADER = 8
PNG_COMPRESSED = {b"iCCP", b"zTXt", b"iTXt"}

SOS, EOI, TEM = 0xDA, 0xD9, 0x01
SOF, DHT, JPG, DAC, DQT, DRI, APP, COM = range(0xC0, 0xD0), 0xC4, 0xC8, 0xCC, 0xDB, 0xDD, range(0xE0, 0xF0), 0xFE
# What Pillow steps over by its length; it looks into everything else byte by byte.
JPEG_SEGMENTS = ({*SOF, DHT, DQT, DRI, *APP, COM}) - {JPG, DAC}
# A marker behind the first scan: not a stuffed zero, not a restart, not a fill byte.
JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


def check(data: bytes, kind: str) -> None:
    """Refuse a PNG or JPEG that has more parts than a picture needs. A damaged structure is left to the decoder.

    Raises:
        ImageTooComplex
    """
    try:
        if kind == "PNG":
            _check_png(data)
        else:
            _check_scans(data, _check_segments(data))
    except (struct.error, IndexError):
        pass  # the file ends where it should not, which the decoder tells better


def _check_png(data: bytes) -> None:
    position, chunks, compressed = PNG_HEADER, 0, 0
    kind = b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, position)
        chunks += 1
        compressed += kind in PNG_COMPRESSED
        _refuse_above("chunks", chunks, MAX_PARTS + position // BYTES_PER_PART)
        _refuse_above("compressed texts and profiles", compressed, MAX_COMPRESSED_TEXTS)
        position += 12 + length


def _check_segments(data: bytes) -> int:
    """The place of the first scan."""
    position, parts = 2, 0
    while True:
        parts += 1
        _refuse_above("segments", parts, MAX_PARTS + position // BYTES_PER_PART)
        if data[position] != 0xFF or data[position + 1] in {0x00, 0xFF}:  # noqa: PLR2004 - every marker begins so
            position += 1
            continue
        marker = data[position + 1]
        if marker == SOS:
            return position
        position += 2
        if marker in JPEG_SEGMENTS:
            position += _length(data, position)


def _check_scans(data: bytes, position: int) -> None:
    if data.count(b"\xff\xda", position) <= MAX_SCANS:
        return  # an upper bound, found quickly
    scans = 0
    while found := JPEG_MARKER.search(data, position):
        marker = data[found.start() + 1]
        if marker == EOI:
            return
        scans += marker == SOS
        _refuse_above("scans", scans, MAX_SCANS)
        position = found.end() if marker == TEM else found.end() + _length(data, found.end())


def _length(data: bytes, position: int) -> int:
    return int(struct.unpack_from(">H", data, position)[0])


def _refuse_above(what: str, met: int, limit: int) -> None:
    if met > limit:
        raise ImageTooComplex(what, met, limit)
