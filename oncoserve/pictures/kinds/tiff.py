"""What a TIFF says about where it comes from: pathology keeps whole slides in it, microscopes and cameras all else."""

import struct
from collections.abc import Iterator
from typing import Final

from oncoserve.pictures.kinds.unread import Unread, magick

REGION: Final = "openslide-write-png in.{} 0 0 0 2000 2000 out.png (a region from x, y at a level; openslide-tools)"
DESCRIPTION, SOFTWARE, NDPI_VERSION, DNG_VERSION = 270, 305, 65420, 50706
MAX_ENTRIES, MAX_WORDS = 200, 4096

# Words of the description or the software.
MAKERS: Final = (
    (b"Aperio", Unread("an Aperio SVS slide", REGION.format("svs"))),
    (b"leica-microsystems.com/scn", Unread("a Leica SCN slide", REGION.format("scn"))),
    (b"Philips", Unread("a Philips TIFF slide", REGION.format("tiff"))),
    (b"PHILIPS", Unread("a Philips TIFF slide", REGION.format("tiff"))),
    (b"<iScan", Unread("a Ventana slide", REGION.format("bif"))),
    (b"NDP.scan", Unread("a Hamamatsu NDPI slide", REGION.format("ndpi"))),
    (b"OME-XML", Unread("an OME-TIFF", magick("ome.tif"))),
    (b"<OME", Unread("an OME-TIFF", magick("ome.tif"))),
    (b"ImageJ=", Unread("a TIFF of ImageJ", magick("tif"))),
)
NDPI: Final = Unread("a Hamamatsu NDPI slide", REGION.format("ndpi"))
RAW: Final = Unread("a camera's raw file (DNG)", magick("dng"))


def kind(data: bytes) -> Unread | None:
    """What a TIFF is; None for anything else.

    Args:
        data: the file, or its beginning.
    """
    if data[:4] not in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
        return None
    big = b"+" in data[2:4]
    if data[8:10] == b"CR":
        return Unread("a camera's raw file", magick("cr2"))
    plain = Unread("a BigTIFF" if big else "a TIFF", magick("tif"))
    try:
        tags = list(_tags(data, ">" if data[:1] == b"M" else "<", big=big))
    except struct.error:
        return plain  # it is cut off, or its first directory lies behind what is known of it
    numbers = {number for number, _ in tags}
    if NDPI_VERSION in numbers:
        return NDPI
    if DNG_VERSION in numbers:
        return RAW
    words = b"".join(text for _, text in tags)
    return next((maker for word, maker in MAKERS if word in words), plain)


def _tags(data: bytes, order: str, *, big: bool) -> Iterator[tuple[int, bytes]]:
    """The tags of the first picture; words as they are, of all others nothing.

    Raises:
        struct.error: the file ends in front of them.
    """
    wide, few = ("Q", "Q") if big else ("I", "H")
    size, inline = struct.calcsize(order + wide), 8 if big else 4
    (start,) = struct.unpack_from(order + wide, data, 8 if big else 4)
    (count,) = struct.unpack_from(order + few, data, start)
    start += struct.calcsize(order + few)
    for at in range(start, start + min(count, MAX_ENTRIES) * (4 + 2 * size), 4 + 2 * size):
        tag, _, length, place = struct.unpack_from(f"{order}HH{wide}{wide}", data, at)
        if tag not in {DESCRIPTION, SOFTWARE}:
            yield tag, b""
        elif length <= inline:
            yield tag, data[at + 4 + size : at + 4 + size + length]
        else:
            yield tag, data[place : place + min(length, MAX_WORDS)]
