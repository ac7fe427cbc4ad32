"""What makes a slice of one hospital look like that of another: frames, windows, softness, noise, files, turns."""

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

Bytes = npt.NDArray[np.uint8]
Turn = Image.Transpose
_QUARTERS: Final = (Turn.ROTATE_90, Turn.ROTATE_180, Turn.ROTATE_270)


def framed(picture: Image.Image, share: float) -> Image.Image:
    """Cut to its middle, or with an empty margin, so that `share` of each side is shown; over 1 is a margin."""
    width, height = (round(side * share) for side in picture.size)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def gamma(picture: Image.Image, power: float) -> Image.Image:
    """Darker in the middle tones for a power over 1."""
    return picture.point([round(255 * (level / 255) ** power) for level in range(256)])


def window(picture: Image.Image, low: float, high: float) -> Image.Image:
    """From `low` to `high`, shares of the greatest brightness, becomes black to white."""
    top = max(1, int(np.asarray(picture).max()))
    return picture.point([round(255 * (level / top - low) / (high - low)) for level in range(256)])


def scaled(picture: Image.Image, factor: float, more: float = 0) -> Image.Image:
    """Brighter or darker."""
    return picture.point([round(level * factor + more) for level in range(256)])


def noisy(picture: Image.Image, deviation: float, chance: np.random.Generator) -> Image.Image:
    """With noise of this standard deviation, of 255."""
    pixels = np.asarray(picture) + chance.normal(0, deviation, picture.size[::-1])
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def compressed(picture: Image.Image, quality: int) -> Image.Image:
    """As JPEG of that quality shows it."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("L")


def soft(picture: Image.Image, radius: float) -> Image.Image:
    """Blurred."""
    return picture.filter(ImageFilter.GaussianBlur(radius))


def coarse(picture: Image.Image, side: int) -> Image.Image:
    """With so few pixels a side."""
    return picture.resize((side, side), Image.Resampling.BICUBIC)


def tilted(picture: Image.Image, degrees: float) -> Image.Image:
    """Turned a little, the corners black."""
    return picture.rotate(degrees, Image.Resampling.BICUBIC)


def crisp(picture: Image.Image, factor: float) -> Image.Image:
    """Sharpened."""
    return ImageEnhance.Sharpness(picture).enhance(factor)


CHANGES: Final[Mapping[str, Callable[[Image.Image], Image.Image]]] = {
    "margin, the slice takes 0.9 of each side": partial(framed, share=1 / 0.9),
    "margin, the slice takes 0.8 of each side": partial(framed, share=1 / 0.8),
    "cut to the middle 0.9": partial(framed, share=0.9),
    "gamma 0.7": partial(gamma, power=0.7),
    "gamma 1.4": partial(gamma, power=1.4),
    "window up to 0.7 of the brightest": partial(window, low=0.02, high=0.7),
    "window up to 1.3 of the brightest": partial(window, low=0.0, high=1.3),
    "half as bright": partial(scaled, factor=0.5),
    "20 levels brighter": partial(scaled, factor=1, more=20),
    "blurred, 1 pixel": partial(soft, radius=1),
    "sharpened": partial(crisp, factor=2.5),
    "noise of 8 levels": lambda picture: noisy(picture, 8, np.random.default_rng(1)),
    "JPEG of quality 25": partial(compressed, quality=25),
    "128 pixels a side": partial(coarse, side=128),
    "mirrored": ImageOps.mirror,
    "turned by 90 degrees": lambda picture: picture.transpose(Turn.ROTATE_90),
    "upside down": lambda picture: picture.transpose(Turn.ROTATE_180),
    "tilted by 10 degrees": partial(tilted, degrees=10),
}
"""Each is measured by itself."""


_AT_RANDOM: Final[Sequence[tuple[float, Callable[[Image.Image, np.random.Generator], Image.Image]]]] = (
    (0.5, lambda picture, chance: framed(picture, chance.uniform(0.88, 1.25))),
    (0.6, lambda picture, chance: gamma(picture, float(np.exp(chance.uniform(-0.45, 0.45))))),
    (0.5, lambda picture, chance: window(picture, chance.uniform(0, 0.05), chance.uniform(0.65, 1.3))),
    (0.4, lambda picture, chance: soft(picture, chance.uniform(0.3, 1.2))),
    (0.3, lambda picture, chance: noisy(picture, chance.uniform(2, 10), chance)),
    (0.4, lambda picture, chance: compressed(picture, int(chance.integers(25, 90)))),
    (0.5, lambda picture, _: ImageOps.mirror(picture)),
    (0.3, lambda picture, chance: tilted(picture, chance.uniform(-12, 12))),
    (0.15, lambda picture, chance: picture.transpose(_QUARTERS[chance.integers(len(_QUARTERS))])),
)
"""How often each is done, one after the other."""


def another_hospital(picture: Image.Image, chance: np.random.Generator) -> Image.Image:
    """Some of all that, as nobody knows which hospital the next slice is from."""
    for probability, change in _AT_RANDOM:
        if chance.random() < probability:
            picture = change(picture, chance)
    return picture
