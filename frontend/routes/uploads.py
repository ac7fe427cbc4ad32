"""From a request to the picture's bytes and the parameters given with it. Nothing of it touches a disk.

The middleware has counted a body's memory when it is read here, so here it is held once, without copies.
"""

import io
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from oncoserve.errors import EmptyUpload, InvalidParameter, MalformedRequest, MissingImage
from oncoserve.tasks.base import Parameters

FIELD = "image"
MAX_FIELDS = 32

P = TypeVar("P", bound=Parameters)


class _File(io.BytesIO):
    """A file of a form."""

    _rolled = False  # Starlette looks for it: what lies on no disk needs no thread to be read


class FormParser(MultiPartParser):
    """Keeps files in memory, where Starlette would write those above 1 MiB to TMPDIR."""

    def on_headers_finished(self) -> None:
        """A part begins."""
        super().on_headers_finished()
        part = self._current_part
        if part.file is not None:
            part.file.file.close()
            name = part.file.filename
            part.file = UploadFile(_File(), size=0, filename=name, headers=Headers(raw=part.item_headers))


@asynccontextmanager
async def form_of(request: Request, max_files: int, max_fields: int) -> AsyncIterator[FormData]:
    """A multipart form, its files in memory for the length of the block.

    Raises:
        MalformedRequest, UploadTooLarge, NoRoom
    """
    parser = FormParser(request.headers, request.stream(), max_files=max_files, max_fields=max_fields)
    form = await parsed(parser)
    try:
        yield form
    finally:
        await form.close()


async def parsed(parser: FormParser) -> FormData:
    """The whole form.

    Raises:
        MalformedRequest, UploadTooLarge, NoRoom
    """
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise MalformedRequest(f"{error.message[:200].rstrip('.')}.") from error
    except UnicodeError as error:
        raise MalformedRequest("The form's text cannot be read in the charset that it names.") from error


async def read_upload(request: Request) -> tuple[bytes, list[tuple[str, str]]]:
    """The picture from the multipart field `image`, or the raw body of any other media type.

    Returns:
        The bytes, and the other form fields as given.

    Raises:
        EmptyUpload, MissingImage, MalformedRequest, UploadTooLarge, NoRoom
    """
    if is_multipart(request):
        async with form_of(request, 1, MAX_FIELDS) as form:
            return await picture_in(form)
    body = io.BytesIO()
    async for chunk in request.stream():
        body.write(chunk)
    if not body.tell():
        raise EmptyUpload
    return body.getvalue(), []


def is_multipart(request: Request) -> bool:
    """Whether the body is a form, by the request's own word."""
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


async def picture_in(form: FormData) -> tuple[bytes, list[tuple[str, str]]]:
    """The one file of the field `image`, and the text fields as given; the form's files are closed.

    Raises:
        EmptyUpload, MissingImage
    """
    try:
        files = [value for name, value in form.multi_items() if name == FIELD and isinstance(value, UploadFile)]
        fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        if len(files) != 1 or any(name == FIELD for name, _ in fields):
            raise MissingImage(form.keys())
        file = files[0].file
        # `read` would copy it.
        data = file.getvalue() if isinstance(file, io.BytesIO) else await files[0].read()
    finally:
        await form.close()
    if not data:
        raise EmptyUpload
    return data, fields


def parse_parameters(kind: type[P], given: Iterable[tuple[str, str]]) -> P:
    """Check parameters given as text.

    Raises:
        InvalidParameter: unknown, given twice, or out of range; names the parameter and what is allowed.
    """
    values: dict[str, str] = {}
    for name, value in given:
        if name in values:
            raise InvalidParameter(f"{name[:64]!r} is given more than once.")
        values[name] = value
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])[:64] if first["loc"] else "parameters"
        if first["type"] == "extra_forbidden":
            known = ", ".join(sorted(kind.model_fields)) or "none"
            raise InvalidParameter(f"{name!r} is not known; parameters here are: {known}.") from error
        raise InvalidParameter(f"{name!r} is {str(first['input'])[:64]!r}: {first['msg']}.") from error
