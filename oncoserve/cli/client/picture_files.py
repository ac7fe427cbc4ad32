"""The pictures to ask about: found in a folder by their names, or named one by one; read when their turn comes."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from oncoserve.cli.client.client_errors import UsageError
from oncoserve.pictures.kinds.sniffing import name_of

MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".dcm": "application/dicom"}
ANY_TYPE = "application/octet-stream"  # the service looks at the bytes
PICTURE = "a PNG, JPEG or DICOM"
TOLD = {"a PNG": PICTURE, "a JPEG": PICTURE, "a DICOM": PICTURE}
FIRST_BYTES = 4096  # tell the kind of nearly every file
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


@dataclass(frozen=True)
class Folder:
    """What is in a folder: the pictures by name, and how many other files there are of each kind, such as "a TIFF"."""

    pictures: list[PictureFile]
    others: Counter[str]

    def others_in_words(self) -> str:
        """Such as "12 x a TIFF, 1 x .txt"; empty where there are none."""
        return ", ".join(f"{count} x {kind}" for kind, count in self.others.most_common())


def find(folder: Path, out: Path, *, recursive: bool) -> Folder:
    """The PNG, JPEG and DICOM files of a folder, by their endings or their first bytes, and what else there is.

    Hidden files and those of the results are left out of both.

    Raises:
        UsageError: no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.")
    found = Folder([], Counter())
    inside = out.resolve()
    for path in sorted(folder.rglob("*") if recursive else folder.iterdir()):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or path.is_dir() or path.resolve().is_relative_to(inside):
            continue
        kind = _kind(path)
        if kind is PICTURE:
            size = path.stat().st_size if path.is_file() else 0
            found.pictures.append(PictureFile(path.relative_to(folder).as_posix(), path, size))
        else:
            found.others[kind] += 1
    if not found.pictures:
        others = f" It has {found.others_in_words()}." if found.others else ""
        deeper = "" if recursive else " Folders in it are searched with --recursive."
        raise UsageError(f"{folder} has no PNG, JPEG or DICOM file.{others}{deeper}")
    return found


def _kind(path: Path) -> str:
    """PICTURE, or another kind in words: what tells DICOM files is often in their bytes alone."""
    ending = path.suffix.lower()
    if ending in MEDIA_TYPES:
        return PICTURE
    if not path.is_file():
        return "no regular file"  # reading from a pipe could wait for ever
    try:
        with path.open("rb") as file:
            name = name_of(file.read(FIRST_BYTES))
    except OSError:
        return "unreadable"
    return TOLD.get(name, name) if name else ending or "without an ending"


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


def stays_in_order(name: str) -> bool:
    """Whether a file of that name keeps its place among a job's images: not, where it may be DICOM."""
    return MEDIA_TYPES.get(Path(name).suffix.lower(), ANY_TYPE).startswith("image/")


def sent_name(name: str) -> str:
    """The file's own name as the service keeps it: what it would change is changed before, so that both agree.

    Quotation marks and backslashes are written in several ways in multipart headers.
    """
    last = name.rsplit("/", 1)[-1].encode("utf-8", "replace").decode()
    return "".join("_" if char in '"\\' or not char.isprintable() else char for char in last)[-LONGEST_NAME:]
