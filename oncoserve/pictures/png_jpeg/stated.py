"""What a file states about its samples and colours, and its samples loaded with that."""

from collections.abc import Callable

from PIL import Image, JpegImagePlugin

from oncoserve.errors import ImageTooComplex
from oncoserve.pictures.png_jpeg import icc
from oncoserve.pictures.png_jpeg.icc import Profile, UnreadableProfileError
from oncoserve.pictures.png_jpeg.parts import png_chunk
from oncoserve.pictures.png_jpeg.sixteen_bits import SixteenBits
from oncoserve.pictures.rgb import Source

GREY_MODES = {"1", "L", "LA", "I;16"}
# Pillow spreads two and four bits over eight, and leaves the sample that is transparent as it is in the file.
SPREAD = {"L;2": 85, "L;4": 17}

SRGB_GAMMA, SRGB_CHROMATICITY = 0.45455, (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)  # as PNG writes them
SRGB_CODE_POINTS = bytes((1, 13, 0, 1))  # ITU-T H.273, as in a cICP chunk


def load(image: Image.Image, data: bytes, again: Callable[[], Image.Image]) -> Source:
    """Decode a file that Pillow has opened.

    Args:
        image: what Pillow opened.
        data: the file.
        again: opens it once more.

    Raises:
        ImageTooComplex: its colour profile is larger than any real one.
    """
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        profile = profile_of(image)
        image.load()
        return Source(image, grey=is_grey(image, ""), profile=profile)
    raw = raw_mode(image)
    bits, grey, profile, otherwise = bits_of(raw), is_grey(image, raw), profile_of(image), otherwise_stated(image, data)
    if bits == 16:  # noqa: PLR2004 - Pillow keeps eight of them, or loses the transparent sample
        samples = SixteenBits(image, raw, again, significant_bits(data))
        return Source(image, bits, grey, samples, profile, otherwise)
    correct_transparency(image, raw)
    image.load()
    return Source(image, bits, grey, None, profile, otherwise)


def raw_mode(image: Image.Image) -> str:
    """How the samples of a PNG lie in its rows, in Pillow's words: "RGB;16B". Of an image that is not loaded."""
    return next((str(tile.args) for tile in getattr(image, "tile", ())), "")


def bits_of(raw: str) -> int:
    """Bits of a sample, by `raw_mode`."""
    digits = "".join(filter(str.isdigit, raw))
    return int(digits) if digits else 8


def significant_bits(data: bytes) -> int | None:
    """The most bits of a sample that a PNG calls significant (sBIT), if it does."""
    bits = max((png_chunk(data, b"sBIT") or b"")[:4], default=0)
    return bits if 0 < bits <= 16 else None  # noqa: PLR2004 - as many as there are


def is_grey(image: Image.Image, raw: str) -> bool:
    """Whether a file has one channel of brightness; the mode alone does not tell."""
    return image.mode in GREY_MODES or raw.startswith("LA")


def correct_transparency(image: Image.Image, raw: str) -> None:
    """Make the transparent sample one of those that Pillow will give."""
    if raw in SPREAD and isinstance(image.info.get("transparency"), int):
        image.info["transparency"] *= SPREAD[raw]


def profile_of(image: Image.Image) -> Profile | UnreadableProfileError | None:
    """The colour profile, or why it cannot be read; None without one.

    Raises:
        ImageTooComplex: it is larger than any real one.
    """
    try:
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            data = icc.jpeg_profile(content for name, content in image.applist if name == "APP2")
        elif "icc_profile" in image.info:
            data = image.info["icc_profile"] or b""
        else:
            return None
        if data is not None and len(data) > icc.MAX_BYTES:
            raise ImageTooComplex("bytes in its colour profile", len(data), icc.MAX_BYTES)
        return None if data is None else icc.read_profile(data)
    except UnreadableProfileError as error:
        return error


def otherwise_stated(image: Image.Image, data: bytes) -> str | None:
    """The chunk in which a PNG states colours that are not sRGB's otherwise than by a profile, if it does."""
    code_points = png_chunk(data, b"cICP")
    if code_points is not None and code_points != SRGB_CODE_POINTS:
        return "cICP"
    if {"icc_profile", "srgb"} & image.info.keys():
        return None
    if abs(image.info.get("gamma", SRGB_GAMMA) - SRGB_GAMMA) > 0.01:  # noqa: PLR2004 - some write 0.45
        return "gAMA"
    met = image.info.get("chromaticity", SRGB_CHROMATICITY)
    far = max(abs(a - b) for a, b in zip(met, SRGB_CHROMATICITY, strict=True))
    return "cHRM" if far > 0.005 and not image.mode.startswith("L") else None  # noqa: PLR2004 - of rounding
