"""Samples that are a part of what was fetched: a region of a slide, a slice of an atlas."""

import gzip
import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

from model_export.export_errors import FetchError
from model_export.sources import AtlasSlice, Region
from oncoserve.runtime.files import write_whole

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Part = Region | AtlasSlice

_UM_PER_INCH = 25400.0
_JPEG_QUALITY = 85


def write_part(part: Part, samples: Path) -> None:
    """Writes the part beside what it is taken from.

    Args:
        part: Which one.
        samples: The model's folder of samples.

    Raises:
        FetchError: Its pixels are not the pinned ones.
    """
    written = _region(part, samples) if isinstance(part, Region) else _slice(part, samples)
    write_whole(samples / part.target, written)


def _region(region: Region, samples: Path) -> bytes:
    """A JPEG that states its resolution."""
    from PIL import Image  # noqa: PLC0415 - a run that finds everything up to date does without

    box = (region.left, region.top, region.left + region.width, region.top + region.height)
    with Image.open(samples / region.source) as whole:
        part = whole.convert("RGB").crop(box)
    place = f"{region.width} x {region.height} pixels at {region.left}, {region.top}"
    _require_pixels(region, place, part.tobytes())
    buffer, dpi = io.BytesIO(), _UM_PER_INCH / region.um_per_px
    part.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0, dpi=(dpi, dpi))
    return buffer.getvalue()


def _slice(part: AtlasSlice, samples: Path) -> bytes:
    """A grey PNG that carries the notice."""
    import numpy as np  # noqa: PLC0415 - as above
    from PIL import Image, PngImagePlugin  # noqa: PLC0415

    pixels = np.ascontiguousarray(volume(samples / part.source)[:, ::-1, part.index].T)
    _require_pixels(part, f"slice {part.index}", pixels.tobytes())
    notice = PngImagePlugin.PngInfo()
    notice.add_text("Copyright", part.notice)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True, pnginfo=notice)
    return buffer.getvalue()


def volume(path: Path) -> "npt.NDArray[np.uint8]":
    """Voxels of a gzipped NIfTI-1 file of 8 bits; axes: from left to right, to the front, upwards."""
    import numpy as np  # noqa: PLC0415 - as above

    content = gzip.decompress(path.read_bytes())
    # The lengths of the axes follow their number at byte 40; byte 108 says where the voxels begin.
    x, y, z = np.frombuffer(content, "<i2", 3, 42)
    start = int(np.frombuffer(content, "<f4", 1, 108)[0])
    return np.frombuffer(content, np.uint8, int(x) * int(y) * int(z), start).reshape((x, y, z), order="F")


def _require_pixels(part: Part, place: str, pixels: bytes) -> None:
    actual = hashlib.sha256(pixels).hexdigest()
    if actual != part.sha256:
        raise FetchError(
            f"{part.source}, {place}: expected sha256 {part.sha256}, got {actual}; correct the pinned source"
        )
