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


def newest_version(model: Path, *files: str) -> Path:
    """The folder of the newest version of a model that has all of these files.

    Args:
        model: The model's folder, with a folder for each version.
        files: Names of files.

    Raises:
        FileNotFoundError: No version has them.
    """
    numbered = [path for path in model.iterdir() if path.name.isdecimal()]
    whole = [path for path in numbered if all((path / file).is_file() for file in files)]
    if not whole:
        wanted = f" with {' and '.join(files)}" if files else ""
        raise FileNotFoundError(f"{model.name} has no version{wanted}")
    return max(whole, key=lambda path: int(path.name))


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
