"""The pictures of `brain_tumour`, which is trained here (training/) and kept in git."""

from pathlib import Path
from typing import Final

from model_export import verify

SIDE: Final = 224
"""Height and width of the input, pixels."""


def pictures(samples: Path) -> verify.Array:
    """(N, 224, 224, 3) uint8 RGB of the labelled pictures of a folder, prepared as the card pins."""
    return verify.load_images(sorted(samples.glob("*/*.jpg")), SIDE)
