"""Pictures to upload: the same ones for the same seed, and never the same file twice.

A file that was uploaded before is answered from the store, so a load of repeated files measures the store. Encoding a
new picture per request would cost more than asking for the answer. So a few pictures are encoded once, and every
upload carries a comment of its own: other bytes, therefore another sha256 and another result, and the same work for
whoever decodes it. Callers check `Cache-Status` to notice a service that looks through this.
"""

import io
import itertools
import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from testbed.picture_files.raw_jpeg import segment
from testbed.picture_files.raw_png import chunk

SIDES: Final = (240, 512, 1024, 2048)
"""Width and height of the pictures in pixels; the last is 4 megapixels."""

_RARER: Final = 2  # a size is that many times rarer than the next smaller one
_BLOBS: Final = 12  # along each side
_GREYS: Final = ((10, 10, 10), (235, 235, 235))
_STAINS: Final = ((100, 60, 140), (235, 170, 205))  # haematoxylin and eosin, as on a slide
_PNG_HEADER_BYTES: Final = 33  # signature and IHDR, which has to come first


@dataclass(frozen=True)
class EncodedPicture:
    """An encoded picture and the media type to send it with."""

    data: bytes
    media_type: str

    def with_comment(self, text: str) -> "EncodedPicture":
        """The same pixels in another file.

        Args:
            text: ASCII.
        """
        comment = text.encode("ascii")
        if self.media_type == "image/jpeg":
            return EncodedPicture(self.data[:2] + segment(0xFE, comment) + self.data[2:], self.media_type)
        text_chunk = chunk(b"tEXt", b"Comment\0" + comment)
        at = _PNG_HEADER_BYTES
        return EncodedPicture(self.data[:at] + text_chunk + self.data[at:], self.media_type)


class Pictures:
    """An endless supply of distinct uploads.

    Args:
        seed: Decides pixels, sizes, formats and their order; the comments differ from run to run.
        task: The kind of model that they are for: `segmentation` gets stained tissue, others a grey ellipse on black.
        sides: Widths and heights in pixels, the commonest first.
    """

    def __init__(self, seed: int, task: str, sides: Iterable[int] = SIDES) -> None:
        generator = np.random.default_rng(seed)
        ends = _STAINS if task == "segmentation" else _GREYS
        each_side = [(side, _draw(generator, side, ends)) for side in sides]
        self._pictures = [_encode(pixels, kind) for _, pixels in each_side for kind in ("JPEG", "PNG")]
        self._weights = [_RARER**-rank for rank in range(len(each_side)) for _ in range(2)]
        self._random = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._run = uuid.uuid4().hex
        self._numbers = itertools.count()

    def next(self) -> EncodedPicture:
        """A picture that was never uploaded before."""
        (picture,) = self._random.choices(self._pictures, self._weights)
        return picture.with_comment(f"{self._run} {next(self._numbers)}")


def _draw(
    generator: np.random.Generator, side: int, ends: tuple[tuple[int, int, int], tuple[int, int, int]]
) -> NDArray[np.uint8]:
    """Soft blobs under fine grain between two colours, (side, side, 3) uint8 RGB; shades of grey in an ellipse."""
    blobs = Image.fromarray(generator.random((_BLOBS, _BLOBS), dtype=np.float32))
    smooth = np.asarray(blobs.resize((side, side), Image.Resampling.BICUBIC))
    grain = generator.normal(0, 0.04, (side, side))
    share = np.clip(smooth + grain, 0, 1)[..., np.newaxis]
    if ends == _GREYS:  # a picture that fills its frame would be none that the models for slices answer about
        share *= ellipse(side, side)[..., np.newaxis]
    low, high = np.array(ends, dtype=np.float64)
    pixels: NDArray[np.uint8] = (low + share * (high - low)).astype(np.uint8)
    return pixels


def ellipse(height: int, width: int) -> NDArray[np.bool_]:
    """(height, width) True in the middle, where a slice shows the head."""
    rows, columns = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.asarray((rows / 0.8) ** 2 + (columns / 0.7) ** 2 <= 1)


def _encode(pixels: NDArray[np.uint8], kind: str) -> EncodedPicture:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **({"quality": 90} if kind == "JPEG" else {"compress_level": 1}))
    return EncodedPicture(buffer.getvalue(), f"image/{kind.lower()}")
