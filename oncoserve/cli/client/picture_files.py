"""The pictures to ask about: found in a folder by their names, or named one by one; read when their turn comes."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from oncoserve.cli.client.client_errors import UsageError

MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
ANY_TYPE = "application/octet-stream"  # the service looks at the bytes
LONGEST_NAME = 200  # characters that the service keeps


@dataclass(frozen=True)
class Upload:
    """A picture on its way: the name that the service gets, its bytes and its media type."""

    name: str
    data: bytes
    media_type: str

    @cached_property
    def sha256(self) -> str:
        """Of the bytes, in hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class PictureFile:
    """A file with a picture.

    Args:
        name: path below the run's folder, with slashes.
        path: where it is.
        size: in bytes, when it was found; 0 for what cannot be looked at, which shows again when it is read.
    """

    name: str
    path: Path
    size: int

    def read(self) -> Upload:
        """Its bytes.

        Raises:
            OSError: it cannot be read.
        """
        if not self.path.is_file():
            raise OSError("not a regular file, or gone")
        return Upload(sent_name(self.name), self.path.read_bytes(), MEDIA_TYPES.get(self.path.suffix.lower(), ANY_TYPE))


def find(folder: Path, out: Path, *, recursive: bool) -> list[PictureFile]:
    """The PNG and JPEG files of a folder by name; hidden ones and those of the results are left out.

    Raises:
        UsageError: no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.")
    inside = out.resolve()
    found = [
        PictureFile(path.relative_to(folder).as_posix(), path, path.stat().st_size if path.is_file() else 0)
        for path in sorted(folder.rglob("*") if recursive else folder.iterdir())
        if path.suffix.lower() in MEDIA_TYPES
        and not path.is_dir()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.resolve().is_relative_to(inside)
    ]
    if not found:
        deeper = "" if recursive else " Folders in it are searched with --recursive."
        raise UsageError(f"{folder} has no PNG or JPEG file (*.png, *.jpg, *.jpeg).{deeper}")
    return found


def named(paths: Sequence[Path]) -> tuple[Path, list[PictureFile]]:
    """Files that were named one by one, whatever they are called; one that is named twice is taken once.

    Returns:
        The folder that all are in, and the files.

    Raises:
        UsageError: one is not there.
    """
    for path in paths:
        if not path.exists():
            raise UsageError(f"There is no file or folder {path}.")
    absolute = list(dict.fromkeys(Path(os.path.abspath(path)) for path in paths))  # noqa: PTH100 - keeps links
    folder = Path(os.path.commonpath([path.parent for path in absolute]))
    return folder, [PictureFile(path.relative_to(folder).as_posix(), path, path.stat().st_size) for path in absolute]


def sent_name(name: str) -> str:
    """The file's own name as the service keeps it: what it would change is changed before, so that both agree.

    Quotation marks and backslashes are written in several ways in multipart headers.
    """
    last = name.rsplit("/", 1)[-1].encode("utf-8", "replace").decode()
    return "".join("_" if char in '"\\' or not char.isprintable() else char for char in last)[-LONGEST_NAME:]
