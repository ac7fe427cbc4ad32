"""Pictures of every kind to 8-bit sRGB, and what was done to get there."""

from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image, ImageChops, ImageCms

from oncoserve.pictures.bands import in_bands
from oncoserve.pictures.colour import to_srgb
from oncoserve.pictures.png_jpeg.icc import Profile, Space, UnreadableProfileError
from oncoserve.pictures.png_jpeg.sixteen_bits import FULL, Scale

READING_RULES = 3
"""Raise it whenever the same file becomes other pixels than before, or a model is asked about another choice of them
(`tasks.plausibility`): what older rules stored is then no answer."""


@dataclass(frozen=True)
class Warn:
    """Something the caller should know about a result; `code` is stable, `message` is for people."""

    code: str
    message: str


@dataclass(frozen=True)
class Reading:
    """How the samples of a file became 8-bit sRGB.

    Attributes:
        bits: of a sample in the file.
        scaled_from: the samples that became 0 and 255, where there were 16 bits.
        profile: what the file says about its colours.
        converted: whether the colours were changed for it; if not they are sRGB, or were taken as that.
        warnings: what was done that can change an answer.
    """

    bits: int = 8
    scaled_from: tuple[int, int] | None = None
    profile: Profile | None = None
    converted: bool = False
    warnings: tuple[Warn, ...] = ()

    @property
    def used_profile(self) -> bytes | None:
        """The profile that was needed for the colours, as it may be stored."""
        return self.profile.essential if self.profile and self.converted else None

    def document(self) -> dict[str, Any]:
        """For the result."""
        found = self.profile
        profile = found and {"name": found.name, "space": found.space, "converted": self.converted}
        return {
            "rules": READING_RULES,
            "bits": self.bits,
            "scaled_from": self.scaled_from and list(self.scaled_from),
            "profile": profile,
        }


class Samples(Protocol):
    """A picture with 16 bits a sample."""

    scale: Scale
    transparent: bool

    def rows(self, top: int, bottom: int) -> Image.Image:
        """Rows of it in 8 bits."""
        ...


@dataclass(frozen=True)
class Source:
    """A decoded file.

    Attributes:
        image: of any mode, with Pillow's `info` of its file.
        bits: of a sample in the file.
        grey: whether the file has one channel of brightness.
        sixteen: the samples, where the file has 16 bits; of `image` only its size counts then.
        profile: what the file says about its colours, or why that cannot be read; None where it says nothing.
        otherwise: the part of the file that says something else about them, which is not followed.
    """

    image: Image.Image
    bits: int = 8
    grey: bool = False
    sixteen: Samples | None = None
    profile: Profile | UnreadableProfileError | None = None
    otherwise: str | None = None


def to_rgb(source: Source, background: str) -> tuple[Image.Image, Reading]:
    """The same in 8-bit sRGB, and what was done to get there.

    Args:
        source: the picture.
        background: "#rrggbb" for transparent pixels.
    """
    return _Conversion(source, background).run()


class _Conversion:
    def __init__(self, source: Source, background: str) -> None:
        self._image, self._sixteen = source.image, source.sixteen
        self._source, self._background = source, background
        self._warnings: list[Warn] = []
        self._transparent = self._sixteen.transparent if self._sixteen else self._image.has_transparency_data
        self._opaque = True
        self._transform = self._find_transform()
        self._inverted = self._image.mode == "CMYK" and "adobe_transform" not in self._image.info

    def run(self) -> tuple[Image.Image, Reading]:
        image = self._image
        if self._sixteen:
            self._warnings.append(_scaled(self._sixteen.scale))
        if image.mode == "CMYK" and self._transform is None:
            self._warnings.append(Warn("cmyk_converted", "CMYK colours were converted to RGB without a profile."))
        if self._source.otherwise:
            message = (
                f"The file's {self._source.otherwise} chunk describes other colours than sRGB and was not followed."
            )
            self._warnings.append(Warn("colours_not_converted", message))
        plain = image.mode == "RGB" and not (self._sixteen or self._transparent or self._transform)
        rgb = image if plain else in_bands(image.size, self._rows)
        rgb.info = {}  # nothing of it is true any more, and Pillow would write some of it into other files
        if not self._opaque:
            message = f"Transparent pixels were laid over {self._background}."
            self._warnings.append(Warn("transparency_flattened", message))
        scale = (self._sixteen.scale.low, self._sixteen.scale.high) if self._sixteen else None
        known = self._source.profile if isinstance(self._source.profile, Profile) else None
        converted = self._transform is not None
        return rgb, Reading(self._source.bits, scale, known, converted, tuple(self._warnings))

    def _find_transform(self) -> ImageCms.ImageCmsTransform | None:
        profile = self._source.profile
        if profile is None:
            return None
        kind: Space = "CMYK" if self._image.mode == "CMYK" else "grey" if self._source.grey else "RGB"
        try:
            fitting = _fitting(profile, kind)
            return to_srgb(fitting.essential, fitting.space)
        except UnreadableProfileError as error:
            taken = "converted without it" if kind == "CMYK" else "taken as sRGB"
            message = f"The file's colour profile was not used, since {error}; the colours were {taken}."
            self._warnings.append(Warn("profile_ignored", message))
            return None

    def _rows(self, top: int, bottom: int) -> Image.Image:
        if self._sixteen:
            band = self._sixteen.rows(top, bottom)
        elif (top, bottom) == (0, self._image.height):
            band = self._image
        else:
            band = self._image.crop((0, top, self._image.width, bottom))
        if self._inverted:
            band = ImageChops.invert(band)
        return self._flat(band) if self._transparent else self._coloured(band)

    def _coloured(self, band: Image.Image) -> Image.Image:
        if self._transform is None:
            return band.convert("RGB")
        return self._transform.apply(band.convert(self._transform.input_mode))

    def _flat(self, band: Image.Image) -> Image.Image:
        layer = band.convert("RGBA")
        alpha = layer.getchannel("A")
        if self._transform is not None:
            layer = self._coloured(layer.convert("RGB"))
            layer.putalpha(alpha)
        if alpha.getextrema() == (255, 255):
            return layer.convert("RGB")
        self._opaque = False
        below = Image.new("RGBA", layer.size, self._background)
        below.alpha_composite(layer)
        return below.convert("RGB")


def _fitting(profile: Profile | UnreadableProfileError, kind: Space) -> Profile:
    if isinstance(profile, UnreadableProfileError):
        raise profile
    # Grey may have a profile for RGB, as three equal samples: browsers read it so.
    if profile.space not in {kind, "RGB"} or (kind, profile.space) == ("CMYK", "RGB"):
        raise UnreadableProfileError(f"it is for {profile.space} and the picture is {kind}")
    return profile


def _scaled(scale: Scale) -> Warn:
    used = f"the picture uses {scale.used_low}-{scale.used_high}"
    if scale.full:
        return Warn("sixteen_bit_scaled", f"16-bit samples were scaled from 0-{FULL} to 0-255; {used}.")
    message = f"16-bit samples were scaled from {scale.low}-{scale.high} to 0-255, since {used} of 0-{FULL}."
    return Warn("sixteen_bit_windowed", message)
