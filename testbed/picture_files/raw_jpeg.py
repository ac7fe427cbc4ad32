"""Parts of JPEG files byte by byte."""

import struct


def segment(marker: int, content: bytes, length: int | None = None) -> bytes:
    """A segment.

    Args:
        marker: Its second byte, such as 0xE1; the first is 0xFF.
        content: What follows the length.
        length: What the segment says of its length; left out, the true one.
    """
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2 if length is None else length) + content
