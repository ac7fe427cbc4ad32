"""From a request to the picture's bytes and the parameters given with it. Nothing of it touches a disk.

The middleware has counted a body's memory when it is read here, so here it is held once, without copies.
"""

import io
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from frontend.routes.form_parser import FormParser, described, text_for_file
from oncoserve.errors import EmptyUpload, InvalidParameter, MissingImage, TooManyFiles
from oncoserve.tasks.parameters import Parameters

FIELD = "image"
MAX_FIELDS = 32

P = TypeVar("P", bound=Parameters)


@asynccontextmanager
async def form_of(request: Request, max_files: int, max_fields: int) -> AsyncIterator[FormData]:
    """A multipart form, its files in memory for the length of the block.

    Raises:
        MalformedRequest, UploadTooLarge, NoRoom
    """
    form = await FormParser(request.headers, request.stream(), max_files=max_files, max_fields=max_fields).form()
    try:
        yield form
    finally:
        await form.close()


async def read_upload(request: Request) -> tuple[bytes, list[tuple[str, str]]]:
    """The picture from the multipart field `image`, or the raw body of any other media type.

    Returns:
        The bytes, and the other form fields as given.

    Raises:
        EmptyUpload, MissingImage, MalformedRequest, UploadTooLarge, NoRoom
    """
    if is_multipart(request):
        async with form_of(request, MAX_FIELDS, MAX_FIELDS) as form:
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
        EmptyUpload, MissingImage, TooManyFiles
    """
    try:
        items = form.multi_items()
        files = [(name, value) for name, value in items if isinstance(value, UploadFile)]
        fields = [(name, value) for name, value in items if isinstance(value, str)]
        if len(files) > 1:
            raise TooManyFiles(f"The form has {len(files)} files; its fields: {described(items)}.")
        if [name for name, _ in files] != [FIELD] or any(name == FIELD for name, _ in fields):
            raise MissingImage(described(items), _what_to_do(items))
        ((_, upload),) = files
        # `read` would copy it.
        data = upload.file.getvalue() if isinstance(upload.file, io.BytesIO) else await upload.read()
    finally:
        await form.close()
    if not data:
        raise EmptyUpload(chosen=bool(upload.filename))
    return data, fields


def _what_to_do(items: list[tuple[str, str | UploadFile]]) -> str:
    """The caller's mistake, where it can be told."""
    for name, value in items:
        if name == FIELD and isinstance(value, str):
            return text_for_file(FIELD, value)
    files = [name for name, value in items if isinstance(value, UploadFile)]
    return f"The file is in the field {files[0][:40]!r}; its name has to be {FIELD!r}." if files else ""


def parse_parameters(kind: type[P], given: Iterable[tuple[str, str]]) -> P:
    """Check parameters given as text.

    Raises:
        InvalidParameter: unknown, given twice, or out of range; names the parameter and what is allowed.
    """
    values: dict[str, str] = {}
    for name, value in given:
        if name in values:
            raise InvalidParameter(f"{name[:64]!r} is given more than once; address and form count together.")
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
