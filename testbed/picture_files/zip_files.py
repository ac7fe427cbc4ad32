"""ZIP archives, as honest programs make them and as nobody should."""

import io
import struct
import warnings
import zipfile
from collections.abc import Iterable

END, ENTRY = b"PK\5\6", b"PK\1\2"


def zipped(files: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive.

    Args:
        files: Paths and contents, in order; paths may repeat.
        method: How all are packed.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")  # of paths that repeat
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def with_entries_changed(archive: bytes, offset: int, layout: str, value: int) -> bytes:
    """The archive with one field of each entry of its directory replaced.

    Args:
        archive: The archive.
        offset: Of the field in an entry (APPNOTE.TXT, 4.3.12).
        layout: Of the field, for `struct`.
        value: What it becomes.
    """
    changed = bytearray(archive)
    at = changed.find(ENTRY)
    while at >= 0:
        struct.pack_into(layout, changed, at + offset, value)
        at = changed.find(ENTRY, at + 1)
    return bytes(changed)


def overlapping(data: bytes, count: int) -> bytes:
    """An archive with many files that all lie in one place.

    Args:
        data: What each is.
        count: How many there are.
    """
    one = zipped([("00000000.png", data)])
    start = one.index(ENTRY)
    end = one.index(END)
    entry = one[start:end]
    entries = b"".join(entry.replace(b"00000000", b"%08d" % number) for number in range(count))
    closing = struct.pack("<4s4H2LH", END, 0, 0, count, count, len(entries), start, 0)
    return one[:start] + entries + closing


def with_many_entries(count: int) -> bytes:
    """An archive whose directory has so many entries of nothing.

    Args:
        count: How many; beyond 65,535 by the fields of ZIP64.
    """
    entry = struct.pack("<4s4B4HL2L5H2L", ENTRY, 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    entries = entry * count
    at = len(local) + len(entries)
    wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(entries), len(local))
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, at, 1)
    closing = struct.pack("<4s4H2LH", END, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return local + entries + wide + locator + closing
