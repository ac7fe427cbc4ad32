"""Where the export reads and writes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The folders of a checkout.

    Attributes:
        root: The checkout.
    """

    root: Path

    @property
    def wheels(self) -> Path:
        """The cache of downloaded wheels."""
        return self.root / "build" / "wheels"

    def weights(self, model: str) -> Path:
        """The folder of the published files of `model`."""
        return self.root / "build" / "weights" / model

    def samples(self, model: str) -> Path:
        """The folder of the real pictures for `model`."""
        return self.root / "build" / "samples" / model

    def model(self, model: str) -> Path:
        """The folder of `model` in Triton's repository."""
        return self.root / "model_repository" / model

    def version(self, model: str) -> Path:
        """The folder of the version that is exported."""
        return self.model(model) / "1"


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
