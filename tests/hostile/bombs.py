"""Files that are small to send and dear to open, each of another kind."""

import struct
import zlib

from PIL import Image

from testbed.encoded_pictures import encoded, noise
from testbed.picture_files.raw_png import chunk, png_file

JPEG = encoded(noise(), "JPEG")
PROGRESSIVE = encoded(Image.new("L", (1000, 1000), 77), "JPEG", progressive=True)
MEGABYTE = zlib.compress(bytes(10**6), 9)
HALF_GIGABYTE = (
    b"".join(
        [(deflate := zlib.compressobj(9)).compress(bytes(10**7)), *(deflate.compress(bytes(10**7)) for _ in range(49))]
    )
    + deflate.flush()
)


def png(width=16, height=16, before=b"", pixels=None, after=b""):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes((1 + 3 * width) * height)) if pixels is None else pixels
    return png_file(header, before, chunk(b"IDAT", data), after)


def in_jpeg(data):
    return JPEG[:2] + data + JPEG[2:]


def with_frame_size(width, height):
    changed = bytearray(JPEG)
    struct.pack_into(">HH", changed, changed.index(b"\xff\xc0") + 5, height, width)
    return bytes(changed)


def with_scans(count):
    """The last scan again and again, as a refinement that changes nothing."""
    start = PROGRESSIVE.rindex(b"\xff\xda")
    return PROGRESSIVE[:-2] + PROGRESSIVE[start:-2] * count + PROGRESSIVE[-2:]


def with_scans_without_data(count):
    start = PROGRESSIVE.rindex(b"\xff\xda")
    (length,) = struct.unpack_from(">H", PROGRESSIVE, start + 2)
    return PROGRESSIVE[:-2] + PROGRESSIVE[start : start + 2 + length] * count + PROGRESSIVE[-2:]


def frame(number):
    return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, 16, 16, 0, 0, 1, 1, 0, 0))


COMPLEX = "image_too_complex"
REFUSED = {
    "PNG, the largest size": (png(2**31 - 1, 2**31 - 1, pixels=MEGABYTE), "image_too_large"),
    "PNG, 400 megapixels in 0.5 MB": (png(20_000, 20_000, pixels=HALF_GIGABYTE), "image_too_large"),
    "PNG, a profile of 500 MB": (png(before=chunk(b"iCCP", b"x\0\0" + HALF_GIGABYTE)), COMPLEX),
    "PNG, a text of 500 MB": (png(before=chunk(b"zTXt", b"x\0\0" + HALF_GIGABYTE)), COMPLEX),
    "PNG, a Unicode text of 500 MB": (png(before=chunk(b"iTXt", b"x\0\1\0\0\0" + HALF_GIGABYTE)), COMPLEX),
    "PNG, 60 texts of 1 MB": (png(before=chunk(b"zTXt", b"x\0\0" + MEGABYTE) * 60), COMPLEX),
    "PNG, 2000 profiles of 1 MB": (png(before=chunk(b"iCCP", b"x\0\0" + MEGABYTE) * 2000), COMPLEX),
    "PNG, 2000 profiles behind the pixels": (png(after=chunk(b"iCCP", b"x\0\0" + MEGABYTE) * 2000), COMPLEX),
    "PNG, 200,000 unknown chunks": (png(before=chunk(b"abCd") * 200_000), COMPLEX),
    "PNG, 200,000 pieces of no pixels": (png(before=chunk(b"IDAT") * 200_000), COMPLEX),
    "PNG, 200,000 chunks behind the pixels": (png(after=chunk(b"abCd") * 200_000), COMPLEX),
    "APNG, 100,000 pictures": (png(after=b"".join(map(frame, range(100_000)))), COMPLEX),
    "JPEG, 4290 megapixels": (with_frame_size(65_500, 65_500), "image_too_large"),
    "JPEG, 10 MB of fill bytes": (in_jpeg(b"\xff" * 10**7), COMPLEX),
    "JPEG, 10 MB of fill bytes in a segment that decoders look into": (
        in_jpeg((b"\xff\xcc\xff\xff" + b"\xff" * 65_533) * 150), COMPLEX
    ),
    "JPEG, 1,000,000 comments": (in_jpeg(b"\xff\xfe\0\2" * 10**6), COMPLEX),
    "JPEG, 1,000,000 EXIF segments": (in_jpeg(b"\xff\xe1\0\2" * 10**6), COMPLEX),
    "JPEG, 300,000 pieces of a profile": (in_jpeg(b"\xff\xe2\0\x10ICC_PROFILE\0\1\1" * 300_000), COMPLEX),
    "JPEG, 1,000,000 starts": (b"\xff\xd8" * 10**6 + JPEG, COMPLEX),
    "JPEG, 1,000 scans": (with_scans(1000), COMPLEX),
    "JPEG, 1,000 scans without data": (with_scans_without_data(1000), COMPLEX),
    "JPEG, 1,000 scans with comments that end it": (
        with_scans(1000).replace(b"\xff\xda", b"\xff\xfe\0\4\xff\xd9\xff\xda"), COMPLEX
    ),
}  # fmt: skip

TAKEN = {
    "PNG, 500 MB of pixels behind the last row": png(pixels=HALF_GIGABYTE),
    "PNG, 16 texts of 1 MB": png(before=b"".join(chunk(b"zTXt", b"x%d\0\0" % n + MEGABYTE) for n in range(16))),
    "APNG, 900 pictures": png(after=b"".join(map(frame, range(900)))),
    "JPEG, 40 scans": with_scans(40),
    "JPEG, 900 comments": in_jpeg(b"\xff\xfe\0\2" * 900),
    "JPEG, 100 files behind its end": JPEG + JPEG * 100,
}
