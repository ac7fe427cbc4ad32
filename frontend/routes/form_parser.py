"""Multipart forms, as clients of every kind write them, and in words what a form holds that cannot be used."""

import io
import re
from collections.abc import AsyncGenerator, Iterable
from typing import Final
from urllib.parse import unquote

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from oncoserve.errors import MalformedRequest, TooManyFiles

LONGEST_PREAMBLE_BYTES: Final = 16 * 1024
SHOWN_LETTERS: Final = 40
SHOWN_FIELDS: Final = 8
# What is left of a name that RFC 7578 does not allow and older clients send all the same, for names beyond ASCII.
EXTENDED_NAME: Final = re.compile(rb";\s*filename\*\s*=\s*\"?[\w-]*'[^';]*'([^;\"]*)")


class _File(io.BytesIO):
    """A file of a form."""

    _rolled = False  # Starlette looks for it: what lies on no disk needs no thread to be read


class FormParser(MultiPartParser):
    """Keeps files in memory, where Starlette would write those above 1 MiB to TMPDIR; says in our words what is wrong.

    Args:
        headers: of the request.
        stream: its body.
        max_files: files that the form may have.
        max_fields: texts that it may have.
    """

    def __init__(
        self, headers: Headers, stream: AsyncGenerator[bytes, None], *, max_files: int, max_fields: int
    ) -> None:
        boundary = parse_options_header(headers["Content-Type"])[1].get(b"boundary", b"")
        super().__init__(
            headers, self._from_first_boundary(stream, boundary), max_files=max_files, max_fields=max_fields
        )
        self._boundary = boundary
        self._ended = False
        self._received_bytes = 0

    async def form(self) -> FormData:
        """The whole form.

        Raises:
            MalformedRequest, UploadTooLarge, NoRoom
        """
        if not self._boundary:
            raise MalformedRequest(
                "Content-Type is multipart/form-data without a boundary. Let your client set that header: it adds it."
            )
        try:
            form = await self.parse()
        except MultiPartException as error:
            raise self._problem() from error
        except UnicodeError as error:
            raise MalformedRequest("The form's text cannot be read in the charset that it names.") from error
        if not self._ended:
            await form.close()
            raise MalformedRequest(
                f"The form ends after {self._received_bytes} bytes, without its last boundary, "
                f"{_shown(b'--' + self._boundary + b'--')}."
            )
        return form

    def on_headers_finished(self) -> None:
        """A part begins."""
        disposition = self._current_part.content_disposition or b""
        if b"filename=" not in disposition and (name := EXTENDED_NAME.search(disposition)):
            plain = re.sub(r'["\\\r\n]', "", unquote(name[1].decode("latin-1"))).encode()
            self._current_part.content_disposition = disposition[: name.start()] + b'; filename="' + plain + b'"'
        super().on_headers_finished()
        part = self._current_part
        if part.file is not None:
            part.file.file.close()
            name_of_file = part.file.filename
            part.file = UploadFile(_File(), size=0, filename=name_of_file, headers=Headers(raw=part.item_headers))

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Some of a part's content."""
        part = self._current_part
        if part.file is None and len(part.data) + end - start > self.max_part_size:
            raise MalformedRequest(
                f"The field {part.field_name[:SHOWN_LETTERS]!r} is text of more than {self.max_part_size} bytes. "
                "A file needs a file name in its part: with curl -F image=@scan.png, with the @."
            )
        super().on_part_data(data, start, end)

    def on_end(self) -> None:
        """The last boundary was there."""
        self._ended = True

    async def _from_first_boundary(
        self, stream: AsyncGenerator[bytes, None], boundary: bytes
    ) -> AsyncGenerator[bytes, None]:
        """The body without the preamble that RFC 2046 allows.

        Raises:
            MalformedRequest: no boundary comes.
        """
        beginning, found = b"", False
        async for chunk in stream:
            self._received_bytes += len(chunk)
            if found:
                yield chunk
                continue
            beginning = beginning + chunk if beginning else chunk
            start = (b"\n" + beginning[: LONGEST_PREAMBLE_BYTES + len(boundary)]).find(b"\n--" + boundary)
            found = start >= 0
            if found:
                yield beginning[start:] if start else beginning
                beginning = b""
            elif len(beginning) > LONGEST_PREAMBLE_BYTES:
                break
        if not found:
            raise self._without_boundary(beginning)

    def _without_boundary(self, beginning: bytes) -> MalformedRequest:
        wanted = _shown(b"--" + self._boundary)
        if not beginning:
            return MalformedRequest(f"The body has 0 bytes; a form begins with its boundary, {wanted}.")
        met = _shown(beginning.partition(b"\n")[0])
        return MalformedRequest(
            f"The body begins with {met}; by its Content-Type a form begins with "
            f"{wanted}. Let your client set that header: it names the boundary that it uses."
        )

    def _problem(self) -> MalformedRequest:
        """What Starlette gave up for."""
        if self._current_files > self.max_files:
            return TooManyFiles(f"The form has more than {self.max_files} files.")
        if self._current_fields > self.max_fields:
            return MalformedRequest(f"The form has more than {self.max_fields} fields of text.")
        return MalformedRequest(
            "A part of the form cannot be read: it has headers, among them Content-Disposition with a name, then an "
            "empty line, then its content; lines end with CR and LF."
        )


def described(form: Iterable[tuple[str, str | UploadFile]]) -> str:
    """The fields of a form in words; neither contents nor file names, which may be those of patients.

    Args:
        form: names and values, in order.
    """
    shown = []
    for name, value in form:
        what = f"a file, {value.size or 0} bytes" if isinstance(value, UploadFile) else f"text, {len(value)} characters"
        shown.append(f"{name[:SHOWN_LETTERS]!r} ({what})")
    more = [f"and {len(shown) - SHOWN_FIELDS} more"] if len(shown) > SHOWN_FIELDS else []
    return ", ".join([*shown[:SHOWN_FIELDS], *more]) or "none"


def text_for_file(field: str, value: str) -> str:
    """What to do about text where a file should be.

    Args:
        field: its name.
        value: the text.
    """
    if re.fullmatch(r"[\w.\\/: ()-]{1,40}\.\w{2,5}", value):
        return f"{field!r} is the text {value!r}, not that file. With curl an @ sends the file: -F '{field}=@{value}'."
    return (
        f"{field!r} is text, since its part has no file name. With curl: -F {field}=@scan.png; "
        "elsewhere give the part a file name."
    )


def _shown(data: bytes) -> str:
    """The first bytes, as a caller can compare them."""
    return repr(data[: 2 * SHOWN_LETTERS].decode("latin-1").strip())
