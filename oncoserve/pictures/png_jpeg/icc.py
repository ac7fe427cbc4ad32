"""ICC colour profiles as untrusted bytes: what of one decides about colours, and nothing else of it.

A profile can carry words (description, copyright, maker, private tags) and programs of any length (multi-process
elements). Neither reaches the colour library or the store: a profile is copied tag by tag, and only those of its tags
are copied that turn the picture's samples into colours. Read after ICC.1:2022 (clauses 7 and 10).
"""

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

MAX_BYTES: Final = 4 * 2**20
"""Of a profile; those of printing presses have 2 to 3 MB."""
MAX_TAGS: Final = 100  # the colour library reads no more

Space = Literal["RGB", "grey", "CMYK"]
SPACES: Final[dict[bytes, Space]] = {b"RGB ": "RGB", b"GRAY": "grey", b"CMYK": "CMYK"}

_HEADER, _MAGIC = 128, b"acsp"
# Input, display and output devices and colour spaces: the others do not say what a picture's samples mean.
_CLASSES = {b"scnr", b"mntr", b"prtr", b"spac"}
_MATRIX_TAGS, _MATRIX_TYPES = {b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt", b"bkpt", b"chad"}, {b"XYZ ", b"sf32"}
_CURVE_TAGS, _CURVE_TYPES = {b"rTRC", b"gTRC", b"bTRC", b"kTRC"}, {b"curv", b"para"}
# B2A0 says how dark a press's darkest colour is.
_TABLE_TAGS, _TABLE_TYPES = {b"A2B0", b"A2B1", b"A2B2", b"B2A0"}, {b"mft1", b"mft2", b"mAB ", b"mBA "}
_KEPT = {
    tag: types
    for tags, types in ((_MATRIX_TAGS, _MATRIX_TYPES), (_CURVE_TAGS, _CURVE_TYPES), (_TABLE_TAGS, _TABLE_TYPES))
    for tag in tags
}
_DESCRIPTION = b"desc"
# Version, class, space, connection space; magic number; intent and white point. What is left out says who made the
# profile, when and for which device.
_HEADER_KEPT = ((8, 24), (36, 40), (64, 80))

# Names of profiles that many pictures share, by what their descriptions have in them. Other descriptions are not
# passed on: they are free text of the upload.
_NAMES = {
    "sRGB": r"srgb",
    "Display P3": r"display\s*p3",
    "Adobe RGB (1998)": r"adobe\s*rgb",
    "ProPhoto RGB": r"prophoto|romm",
    "Rec. 2020": r"(rec|bt)\W*2020",
    "Wide Gamut RGB": r"wide\s*gamut",
    "ColorMatch RGB": r"colormatch",
    "Apple RGB": r"apple\s*rgb",
    "eciRGB": r"eci\s*rgb",
    "Dot Gain": r"dot\s*gain",
    "Gray Gamma": r"gr[ae]y\s*gamma",
    "SWOP": r"swop",
    "FOGRA": r"fogra|coated_v3",
    "GRACoL": r"gracol",
    "Japan Color": r"japan\s*color",
}


class UnreadableProfileError(ValueError):
    """The bytes are no profile of a picture's colours; the message says why."""


@dataclass(frozen=True)
class Profile:
    """What a file says about the meaning of its samples.

    Attributes:
        space: of the samples.
        name: one of a few that are known, or None.
        essential: a profile with the same colours and nothing else in it; the same for each copy of a profile.
    """

    space: Space
    name: str | None
    essential: bytes


def read_profile(data: bytes) -> Profile:
    """Take a profile apart.

    Raises:
        UnreadableProfileError
    """
    if len(data) < _HEADER + 4 or data[36:40] != _MAGIC:
        raise UnreadableProfileError("it is no ICC profile")
    space = SPACES.get(data[16:20])
    if space is None:
        raise UnreadableProfileError("it is for another kind of colours than RGB, grey or CMYK")
    if data[12:16] not in _CLASSES:
        raise UnreadableProfileError("it is not for pictures of a device or colour space")
    elements = dict(_elements(data))
    kept = {tag: each for tag, each in elements.items() if tag in _KEPT and each[:4] in _KEPT[tag]}
    return Profile(space, _name(elements.get(_DESCRIPTION, b"")), _profile(data, kept))


def jpeg_profile(segments: Iterable[bytes]) -> bytes | None:
    """Put together what a JPEG's APP2 segments hold of a profile; None without any.

    Raises:
        UnreadableProfileError: one is missing, or there twice.
    """
    parts: dict[int, bytes] = {}
    counts = set()
    for segment in segments:
        if segment.startswith(JPEG_MARK) and len(segment) >= len(JPEG_MARK) + 2:
            number, count = segment[len(JPEG_MARK) : len(JPEG_MARK) + 2]
            if number in parts:
                raise UnreadableProfileError("a part of it is there twice")
            parts[number] = segment[len(JPEG_MARK) + 2 :]
            counts.add(count)
    if not parts:
        return None
    if counts != {len(parts)} or sorted(parts) != list(range(1, len(parts) + 1)):
        raise UnreadableProfileError("a part of it is missing")
    return b"".join(parts[number] for number in sorted(parts))


JPEG_MARK: Final = b"ICC_PROFILE\0"
_PART = 65535 - 2 - len(JPEG_MARK) - 2


def jpeg_segments_of(profile: bytes) -> bytes:
    """The APP2 segments that carry a profile in a JPEG."""
    parts = [profile[start : start + _PART] for start in range(0, len(profile), _PART)]
    return b"".join(
        struct.pack(">BBH", 0xFF, 0xE2, 2 + len(JPEG_MARK) + 2 + len(part))
        + JPEG_MARK
        + bytes((number, len(parts)))
        + part
        for number, part in enumerate(parts, 1)
    )


def _elements(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The tags that are used, and their content.

    Raises:
        UnreadableProfileError
    """
    (count,) = struct.unpack_from(">I", data, _HEADER)
    if count > MAX_TAGS:
        raise UnreadableProfileError(f"it has {count} tags; the limit is {MAX_TAGS}")
    places = set()
    for number in range(count):
        try:
            tag, start, size = struct.unpack_from(">4sII", data, _HEADER + 4 + 12 * number)
        except struct.error:
            raise UnreadableProfileError("it ends too early") from None
        if start + size > len(data):
            raise UnreadableProfileError("it ends too early")
        if tag not in _KEPT and tag != _DESCRIPTION:
            continue
        places.add((start, size))  # tags may share a place; places that overlap would make much of little
        if sum(each for _, each in places) > len(data):
            raise UnreadableProfileError("its tags overlap")
        yield tag, data[start : start + size]


def _profile(data: bytes, elements: dict[bytes, bytes]) -> bytes:
    """A profile of these elements with the colours of the header of `data`."""
    header = bytearray(_HEADER)
    for start, end in _HEADER_KEPT:
        header[start:end] = data[start:end]
    table, placed = [], {}  # elements are shared between tags, such as the curves of three channels
    end = _HEADER + 4 + 12 * len(elements)
    for tag, element in sorted(elements.items()):
        if element not in placed:
            placed[element] = end
            end += len(element) + -len(element) % 4  # each starts at a multiple of four
        table.append(struct.pack(">4sII", tag, placed[element], len(element)))
    header[:4] = struct.pack(">I", end)
    content = (element + bytes(-len(element) % 4) for element in placed)
    return b"".join([header, struct.pack(">I", len(elements)), *table, *content])


def _name(description: bytes) -> str | None:
    if description[:4] == b"mluc" and len(description) >= 28:  # noqa: PLR2004 - up to the end of the first record
        length, start = struct.unpack_from(">II", description, 20)
        text = description[start : start + length].decode("utf-16-be", "replace")
    else:
        text = description[12:].partition(b"\0")[0].decode("latin-1")
    return next((name for name, pattern in _NAMES.items() if re.search(pattern, text[:200], re.IGNORECASE)), None)
