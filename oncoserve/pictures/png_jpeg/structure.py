"""How much work a file asks for, told from its structure before anything is decoded.

Decoders walk over chunks, segments and scans one by one, and a few bytes are enough to ask for each: 10 MB of fill
bytes cost 6 s, 1000 empty scans of a picture of 100 megapixels some minutes. The structure is read as tolerantly as the
decoders read it.
"""

import struct

from oncoserve.errors import ImageTooComplex
from oncoserve.pictures.png_jpeg.parts import APP, COM, DAC, DHT, DQT, DRI, JPG, SOF, SOS, jpeg_segments, png_chunks

MAX_SCANS = 50  # encoders make about ten; each costs up to 0.2 s at 100 megapixels
MAX_COMPRESSED_TEXTS = 16  # each may become 1 MiB
MAX_PARTS, BYTES_PER_PART = 1000, 1024  # chunks or segments: so many in any file, and more in a larger one

PNG_COMPRESSED = {b"iCCP", b"zTXt", b"iTXt"}
# What Pillow steps over by its length; it looks into everything else byte by byte.
PILLOW_STEPS_OVER = ({*SOF, DHT, DQT, DRI, *APP, COM}) - {JPG, DAC}


def check(data: bytes, kind: str) -> None:
    """Refuse a PNG or JPEG that has more parts than a picture needs. A damaged structure is left to the decoder.

    Raises:
        ImageTooComplex
    """
    try:
        if kind == "PNG":
            _check_png(data)
        else:
            _check_jpeg(data)
    except (struct.error, IndexError):
        pass  # the file ends where it should not, which the decoder tells better


def _check_png(data: bytes) -> None:
    compressed = 0
    for number, chunk in enumerate(png_chunks(data), 1):
        compressed += chunk.kind in PNG_COMPRESSED
        _refuse_above("chunks", number, MAX_PARTS + chunk.start // BYTES_PER_PART)
        _refuse_above("compressed texts and profiles", compressed, MAX_COMPRESSED_TEXTS)


def _check_jpeg(data: bytes) -> None:
    scans = 0
    for number, segment in enumerate(jpeg_segments(data, PILLOW_STEPS_OVER), 1):
        if not scans:
            _refuse_above("segments", number, MAX_PARTS + segment.start // BYTES_PER_PART)
        if segment.marker == SOS:
            if not scans and data.count(b"\xff\xda", segment.start) <= MAX_SCANS:
                return  # an upper bound, found quickly
            scans += 1
            _refuse_above("scans", scans, MAX_SCANS)


def _refuse_above(what: str, met: int, limit: int) -> None:
    if met > limit:
        raise ImageTooComplex(what, met, limit)
