"""From a request to the picture's bytes and the parameters given with it."""

from collections.abc import Iterable
from typing import TypeVar

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from oncoserve.errors import EmptyUpload, InvalidParameter, MalformedRequest, MissingImage
from oncoserve.tasks.base import Parameters

FIELD = "image"
MAX_FIELDS = 32

P = TypeVar("P", bound=Parameters)


async def read_upload(request: Request) -> tuple[bytes, list[tuple[str, str]]]:
    """The picture from the multipart field `image`, or the raw body of any other media type.

    Returns:
        The bytes, and the other form fields as given.

    Raises:
        EmptyUpload, MissingImage, MalformedRequest, UploadTooLarge
    """
    if not is_multipart(request):
        body = await request.body()
        if not body:
            raise EmptyUpload
        return body, []
    try:
        async with request.form(max_files=1, max_fields=MAX_FIELDS) as form:
            return await picture_in(form)
    except UnicodeError as error:
        raise MalformedRequest("The form's text cannot be read in the charset that it names.") from error


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
        data = await files[0].read()
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
