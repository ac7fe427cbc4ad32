"""From a request to the pictures of a job and the parameters given with them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from frontend.routes.uploads import MAX_FIELDS, form_of, is_multipart
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
    max_fields = max_images + MAX_FIELDS
    if not is_multipart(request):  # such as a form that names uploads alone
        yield _sort(await request.form(max_fields=max_fields))
        return
    async with AsyncExitStack() as opened:
        try:
            form = await opened.enter_async_context(form_of(request, max_images, max_fields))
        except MalformedRequest as error:
            if str(error.args[0]).startswith("Too many files"):  # Starlette tells this limit only in words
                raise TooManyImages(max_images) from error
            raise
        yield _sort(form)


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
