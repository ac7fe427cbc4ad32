"""ZIP archives from anybody: what is in one, read with bounds, and never believed in what it says of itself."""

import io
import re
import struct
import zipfile
import zlib
from typing import Final

from oncoserve.errors import CorruptImage, TooManyImages, UnusableArchive, UploadTooLarge
from oncoserve.jobs.intake.submission import JobLimits
from oncoserve.pictures.kinds.sniffing import SEARCHED_BYTES, is_beside, sniff

METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Others have no bound on what comes out of a piece, or are not known to Python."""
ENTRY_BYTES: Final = 512
"""Of the directory, for each image that a job may have: an entry has 46 bytes, a name, and some times."""
OTHER_ENTRIES_BYTES: Final = 2**18
"""Beside them: of hidden files and folders."""
PIECE_BYTES: Final = 2**20
ENCRYPTED: Final = 0x1
LEFT_OUT: Final = frozenset({"__macosx", "dicomdir", "thumbs.db", "desktop.ini", "autorun.inf"})
OUTSIDE: Final = re.compile(r"/|[A-Za-z]:|(?:.*/)?\.\.(?:/|\Z)", re.DOTALL)
GIVES_UP: Final = (
    ArithmeticError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
)
"""What zipfile raises over damaged archives."""


class _Bounded(io.BytesIO):
    """Bytes that are not read in larger pieces: of a directory zipfile makes an object for each entry, all at once."""

    most_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file.

        Raises:
            UnusableArchive: the piece is too large, so it is the directory.
        """
        if size is not None and size > self.most_bytes:
            raise UnusableArchive(f"has a directory of {size} bytes, and it may have {self.most_bytes}")
        return super().read(size)


class Archive:
    """An archive with pictures.

    Args:
        data: the file.
        limits: of a job.

    Attributes:
        members: the files in it, in its own order, but for those whose names say that they are no pictures.
        stated_bytes: of all of them, unpacked; none gives more than it states.

    Raises:
        UnusableArchive, TooManyImages
    """

    def __init__(self, data: bytes, limits: JobLimits) -> None:
        bounded = _Bounded(data)
        bounded.most_bytes = ENTRY_BYTES * limits.max_images + OTHER_ENTRIES_BYTES
        try:
            self._zipped = zipfile.ZipFile(bounded)
        except GIVES_UP as error:
            raise UnusableArchive("is cut off or damaged: its directory cannot be read") from error
        self._most_bytes = limits.max_upload_bytes
        self.members = [each for each in self._zipped.infolist() if not _is_left_out(each)]
        if not self.members:
            raise UnusableArchive("has no pictures")
        if len(self.members) > limits.max_images:
            raise TooManyImages(limits.max_images, len(self.members))
        _check(self.members, len(data))
        self.stated_bytes = sum(each.file_size for each in self.members)

    @property
    def largest_bytes(self) -> int:
        """Of a file in it that is unpacked."""
        return max(min(each.file_size, self._most_bytes) for each in self.members)

    def unpacked(self, member: zipfile.ZipInfo) -> bytes | None:
        """A file; None for what is no picture and is not missed.

        Raises:
            RequestError: it is not one that is taken; it is not read to its end then.
        """
        if member.file_size > self._most_bytes:
            raise UploadTooLarge(member.file_size, self._most_bytes, what="file in the archive")
        try:
            with self._zipped.open(member) as file:
                beginning = file.read(SEARCHED_BYTES)
                if is_beside(member.filename, beginning):
                    return None
                sniff(beginning)
                found = io.BytesIO()
                found.write(beginning)
                while piece := file.read(PIECE_BYTES):
                    found.write(piece)
        except GIVES_UP as error:
            raise CorruptImage("the archive is damaged where it lies") from error
        return found.getvalue()


def _is_left_out(member: zipfile.ZipInfo) -> bool:
    """Folders, hidden files, and what systems and discs put beside the pictures."""
    parts = member.filename.replace("\\", "/").split("/")
    return not parts[-1] or any(
        (part.startswith(".") and part not in {".", ".."}) or part.lower() in LEFT_OUT for part in parts
    )


def _check(members: list[zipfile.ZipInfo], size: int) -> None:
    """Refuse what honest programs do not make, or what cannot be read. No name is repeated: it may be a patient's.

    Raises:
        UnusableArchive
    """
    if encrypted := sum(bool(each.flag_bits & ENCRYPTED) for each in members):
        raise UnusableArchive(f"is encrypted: {encrypted} of its {len(members)} files need a password")
    if strange := {each.compress_type for each in members} - METHODS:
        raise UnusableArchive(f"is packed by method {min(strange)}; the methods that are read are stored and deflated")
    names = [each.filename.replace("\\", "/") for each in members]
    if outside := sum(bool(OUTSIDE.match(name)) for name in names):
        raise UnusableArchive(f"has {outside} files whose paths lead out of it")
    if more := len(names) - len(set(names)):
        raise UnusableArchive(f"has {more} files of the same path as another")
    if (packed := sum(each.compress_size for each in members)) > size:
        raise UnusableArchive(f"has files that lie over each other: {packed} bytes of them in {size}")
