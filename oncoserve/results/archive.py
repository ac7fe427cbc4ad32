"""A result as one file: a ZIP archive without compression, and how it is known to be whole."""

import contextlib
import errno
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Final

DOCUMENT: Final = "result.json"
PIECE_BYTES: Final = 2**20
# What the library raises for bytes that are no archive of its kind; a sector that cannot be read is damage, too.
SIGNS: Final = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, ValueError, NotImplementedError, RuntimeError,
)  # fmt: skip
UNREADABLE: Final = (errno.EIO, errno.EINVAL, errno.EBADMSG)


class DamagedError(Exception):
    """The file is not what was stored under this name."""


def pack(files: Mapping[str, bytes]) -> bytes:
    """The archive with `files`, in their order."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def document(file: IO[bytes], result: str) -> dict[str, bytes]:
    """The JSON document alone, under its name.

    Args:
        file: the archive.
        result: the id that it is stored under.

    Raises:
        DamagedError: it cannot be read, or is of another result.
    """
    with _opened(file) as archive:
        return {DOCUMENT: _document(archive, result)}


def checked_document(file: IO[bytes], result: str) -> dict[str, bytes]:
    """The JSON document alone, when everything else is whole too; see `document`."""
    with _opened(file) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                while member.read(PIECE_BYTES):  # which compares the checksum at the end
                    pass
        return {DOCUMENT: _document(archive, result)}


def everything(file: IO[bytes], result: str) -> dict[str, bytes]:
    """All files by their names; see `document`."""
    with _opened(file) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
        return found | {DOCUMENT: _document(archive, result)}


def _document(archive: zipfile.ZipFile, result: str) -> bytes:
    content = archive.read(DOCUMENT)
    named = json.loads(content)
    if not isinstance(named, dict) or named.get("id") != result:
        raise DamagedError
    return content


@contextlib.contextmanager
def _opened(file: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except SIGNS as error:
        raise DamagedError from error
    except OSError as error:
        if error.errno in UNREADABLE:
            raise DamagedError from error
        raise
