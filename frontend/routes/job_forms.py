"""From a request to the pictures of a job and the parameters given with them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from frontend.routes.uploads import MAX_FIELDS
from oncoserve.errors import InvalidParameter, MalformedRequest, MissingImages, TooManyImages
from oncoserve.jobs.service import Submission

IMAGES, UPLOADS, MODEL = "images", "uploads", "model"


@dataclass(frozen=True)
class JobForm:
    """What was sent.

    Attributes:
        model: what is asked, not checked.
        pictures: in the order of the form; readable until the form is closed.
        fields: all other fields, as given.
    """

    model: str
    pictures: list[Submission]
    fields: list[tuple[str, str]]


@asynccontextmanager
async def read_job(request: Request, max_images: int) -> AsyncIterator[JobForm]:
    """The multipart form of a job, open for the length of the block.

    Raises:
        MissingImages, TooManyImages, MalformedRequest, InvalidParameter, UploadTooLarge
    """
    try:
        form = await request.form(max_files=max_images, max_fields=max_images + MAX_FIELDS)
    except HTTPException as error:
        if str(error.detail).startswith("Too many files"):  # Starlette tells this limit only in words
            raise TooManyImages(max_images) from error
        raise
    except UnicodeError as error:
        raise MalformedRequest("The form's text cannot be read in the charset that it names.") from error
    try:
        yield _sort(form)
    finally:
        await form.close()


def _sort(form: FormData) -> JobForm:
    models, fields = [], []
    pictures: list[Submission] = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name != IMAGES:
                raise InvalidParameter(f"{name[:64]!r} is a file; files belong into the field {IMAGES!r}.")
            pictures.append(Submission(value.filename or "", value.read))
        elif name == IMAGES:
            raise MissingImages(f"The field {IMAGES!r} is there without a file.")
        elif name == UPLOADS:
            upload, _, shown = value.partition("/")  # <id>, or <id>/<file name>
            pictures.append(Submission(shown, upload=upload))
        elif name == MODEL:
            models.append(value)
        else:
            fields.append((name, value))
    if len(models) != 1:
        raise InvalidParameter(f"There has to be one field {MODEL!r}; there are {len(models)}.")
    return JobForm(models[0], pictures, fields)
