"""ZIP archives without compression, made in memory (PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16).

`zipfile` writes the same bytes in three times the time, most of it for what is not used here: compression, dates,
attributes, files that are written in pieces.
"""

import struct
import zlib
from collections.abc import Mapping

VERSION = 20  # 2.0, the oldest that readers have
UTF8_NAMES = 0x800
MIDNIGHT_OF_1980 = 0, 1 << 5 | 1  # the format's first moment; when a result was made is in its document

FILE_HEADER = struct.Struct("<4sHHHHHIIIHH")
DIRECTORY_HEADER = struct.Struct("<4sHHHHHHIIIHHHHHII")
END_OF_DIRECTORY = struct.Struct("<4sHHHHIIH")


def archive(files: Mapping[str, bytes]) -> bytes:
    """An archive of `files`, in their order.

    Raises:
        struct.error: a file, or all of them, have 4 GiB or more.
    """
    parts: list[bytes] = []
    directory: list[bytes] = []
    position = 0
    for name, content in files.items():
        encoded, size = name.encode(), len(content)
        common = UTF8_NAMES, 0, *MIDNIGHT_OF_1980, zlib.crc32(content), size, size, len(encoded), 0
        parts += FILE_HEADER.pack(b"PK\3\4", VERSION, *common), encoded, content
        directory += DIRECTORY_HEADER.pack(b"PK\1\2", VERSION, VERSION, *common, 0, 0, 0, 0, position), encoded
        position += FILE_HEADER.size + len(encoded) + size
    listed = b"".join(directory)
    end = END_OF_DIRECTORY.pack(b"PK\5\6", 0, 0, len(files), len(files), len(listed), position, 0)
    return b"".join([*parts, listed, end])
