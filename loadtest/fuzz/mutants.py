"""Damaged pictures without end, the same for the same seed: real PNG and JPEG files, each changed in a few places."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

SIZE = (48, 36)
PNG_HEADER = 8
EDGES = (0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF)
LENGTHS = (0, 1, 2, 3, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

Parts = list[bytes]


@dataclass(frozen=True)
class Mutant:
    """A damaged file: which of the stream it is, what was done to it, and its bytes."""

    number: int
    name: str
    data: bytes


def originals() -> list[bytes]:
    """PNG and JPEG files of every kind that Pillow writes."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE[1] // 4, SIZE[0] // 4, 3), dtype=np.uint8)
    rgb = Image.fromarray(pixels).resize(SIZE)
    text = PngInfo()
    text.add_text("Comment", "a")
    text.add_text("Long", "b" * 500, zip=True)
    text.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>', zip=True)
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x011A: 72.0, 0x010F: "maker"})
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    palette = rgb.quantize(16)
    deep = Image.fromarray(np.arange(SIZE[0] * SIZE[1], dtype=np.uint16).reshape(SIZE[::-1]) * 37)
    rgba = rgb.convert("RGBA")
    rgba.putalpha(rgb.convert("L"))
    pngs: list[tuple[Image.Image, dict[str, Any]]] = [
        (rgb, {"pnginfo": text, "exif": exif, "icc_profile": profile, "dpi": (300, 300)}),
        (rgb, {"transparency": (0, 0, 0)}),
        (palette, {"transparency": bytes(range(0, 256, 16))}),
        (rgb.convert("L"), {}),
        (rgb.convert("1"), {}),
        (rgb.convert("LA"), {}),
        (rgba, {}),
        (deep, {}),
        (rgb, {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}),
    ]
    jpegs: list[tuple[Image.Image, dict[str, Any]]] = [
        (rgb, {"exif": exif, "icc_profile": profile, "comment": b"c", "dpi": (300, 300)}),
        (rgb, {"progressive": True}),
        (rgb, {"restart_marker_blocks": 2, "subsampling": "4:2:0"}),
        (rgb.convert("L"), {"quality": 100}),
        (rgb.convert("CMYK"), {}),
        (rgb.convert("CMYK"), {"progressive": True}),
    ]
    several = (rgb, {"save_all": True, "append_images": [rgb.rotate(180)]})
    kinds = [*(("PNG", *each) for each in pngs), *(("JPEG", *each) for each in jpegs), ("MPO", *several)]
    return [_encoded(image, kind, options) for kind, image, options in kinds]


def mutants(seed: int, count: int) -> Iterator[Mutant]:
    """The first `count` mutants of a seed."""
    chance = random.Random(seed)  # noqa: S311 - the same again is what is wanted
    files = originals()
    kinds: dict[str, Callable[[random.Random, bytes, list[bytes]], bytes]] = {
        "bits flipped": _flip_bits,
        "bytes at the edges of their range": _set_bytes,
        "cut off": lambda chance, data, _: data[: chance.randrange(len(data))],
        "a piece taken out": _take_out,
        "a piece repeated": _repeat,
        "random bytes put in": _put_in,
        "two files joined": _join,
        "parts in another order": _shuffle,
        "parts dropped or doubled": _drop_or_double,
        "a wrong length": _wrong_length,
        "another picture's part": _foreign_part,
        "header fields": _header_fields,
    }
    for number in range(count):
        name = chance.choice(list(kinds))
        data = kinds[name](chance, chance.choice(files), files)
        if _is_png(data) and chance.random() < 0.7:  # noqa: PLR2004 - otherwise most would end at the checksum
            data = _with_checksums(data)
        yield Mutant(number, name, data)


def _encoded(image: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _is_png(data: bytes) -> bool:
    return data.startswith(b"\x89PNG")


def _flip_bits(chance: random.Random, data: bytes, _files: list[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _set_bytes(chance: random.Random, data: bytes, _files: list[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 2, 4))):
        changed[chance.randrange(min(len(changed), 200))] = chance.choice(EDGES)
    return bytes(changed)


def _span(chance: random.Random, data: bytes) -> tuple[int, int]:
    start = chance.randrange(len(data))
    return start, min(len(data), start + chance.choice((1, 2, 4, 16, 256)))


def _take_out(chance: random.Random, data: bytes, _files: list[bytes]) -> bytes:
    start, end = _span(chance, data)
    return data[:start] + data[end:]


def _repeat(chance: random.Random, data: bytes, _files: list[bytes]) -> bytes:
    start, end = _span(chance, data)
    return data[:end] + data[start:end] * chance.choice((1, 2, 50)) + data[end:]


def _put_in(chance: random.Random, data: bytes, _files: list[bytes]) -> bytes:
    start, end = _span(chance, data)
    return data[:start] + chance.randbytes(end - start) + data[start:]


def _join(chance: random.Random, data: bytes, files: list[bytes]) -> bytes:
    other = chance.choice(files)
    return data[: chance.randrange(len(data))] + other[chance.randrange(len(other)) :]


def _shuffle(chance: random.Random, data: bytes, _files: list[bytes]) -> bytes:
    first, *rest = _parts(data)
    for _ in range(chance.choice((1, 1, 3))):
        here, there = chance.randrange(len(rest)), chance.randrange(len(rest))
        rest[here], rest[there] = rest[there], rest[here]
    return b"".join([first, *rest])


def _drop_or_double(chance: random.Random, data: bytes, _files: list[bytes]) -> bytes:
    first, *rest = _parts(data)
    place = chance.randrange(len(rest))
    rest[place : place + 1] = [rest[place]] * chance.choice((0, 2, 3, 20))
    return b"".join([first, *rest])


def _wrong_length(chance: random.Random, data: bytes, _files: list[bytes]) -> bytes:
    first, *rest = _parts(data)
    place = chance.randrange(len(rest))
    length = chance.choice(LENGTHS)
    part = rest[place]
    rest[place] = (
        struct.pack(">I", length) + part[4:]
        if _is_png(data)
        else part[:2] + struct.pack(">H", length & 0xFFFF) + part[4:]
    )
    return b"".join([first, *rest])


def _foreign_part(chance: random.Random, data: bytes, files: list[bytes]) -> bytes:
    first, *rest = _parts(data)
    same = [each for each in files if _is_png(each) == _is_png(data)]
    rest.insert(chance.randrange(len(rest)), chance.choice(_parts(chance.choice(same))[1:]))
    return b"".join([first, *rest])


def _header_fields(chance: random.Random, data: bytes, _files: list[bytes]) -> bytes:
    """Other sizes, depths, colour types, numbers of components: IHDR of a PNG, the frame header of a JPEG."""
    changed = bytearray(data)
    start = PNG_HEADER + 8 if _is_png(data) else max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) + 4
    for _ in range(chance.choice((1, 1, 2))):
        changed[start + chance.randrange(13)] = chance.choice((*EDGES, chance.randrange(256)))
    return bytes(changed)


def _parts(data: bytes) -> Parts:
    """The signature, then the chunks of a PNG or the segments of a JPEG; a scan's data belongs to its segment."""
    if _is_png(data):
        parts, position = [data[:PNG_HEADER]], PNG_HEADER
        while position < len(data):
            end = position + 12 + int(struct.unpack_from(">I", data, position)[0])
            parts.append(data[position:end])
            position = end
        return parts
    parts, position = [data[:2]], 2
    while position + 4 <= len(data) and data[position + 1] != 0xDA:  # noqa: PLR2004 - start of scan
        end = position + 2 + int(struct.unpack_from(">H", data, position + 2)[0])
        parts.append(data[position:end])
        position = end
    return [*parts, data[position:]]


def _with_checksums(data: bytes) -> bytes:
    """Right checksums for as many chunks as can be found."""
    fixed, position = bytearray(data), PNG_HEADER
    while position + 12 <= len(fixed):
        end = position + 8 + int(struct.unpack_from(">I", fixed, position)[0])
        if end + 4 > len(fixed):
            break
        struct.pack_into(">I", fixed, end, zlib.crc32(fixed[position + 4 : end]))
        position = end + 4
    return bytes(fixed)
