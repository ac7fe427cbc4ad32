"""From a request to the pictures of a job and the parameters given with them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from frontend.routes.form_parser import described, text_for_file
from frontend.routes.uploads import MAX_FIELDS, form_of, is_multipart
from oncoserve.errors import InvalidParameter, MissingImages, TooManyFiles, TooManyImages
from oncoserve.jobs.intake.submission import Submission

EXAMPLE = "curl -F model=brain_tumour -F images=@a.png -F images=@b.png .../v1/jobs"
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
    for name in request.query_params:
        raise InvalidParameter(f"{name[:64]!r} is in the address; a job takes it as a form field: -F {MODEL}=...")
    if not is_multipart(request):  # such as a form that names uploads alone
        kind = request.headers.get("content-type", "")
        urlencoded = kind.lower().startswith("application/x-www-form-urlencoded")
        form = await request.form(max_fields=max_fields) if urlencoded else FormData()
        if MODEL not in form and UPLOADS not in form:  # such as a file by curl's --data, which has that type too
            raise InvalidParameter(f"The body's Content-Type is {kind[:64]!r}; a job is a form: {EXAMPLE}.")
        yield _sort(form)
        return
    async with AsyncExitStack() as opened:
        try:
            form = await opened.enter_async_context(form_of(request, max_images, max_fields))
        except TooManyFiles as error:
            raise TooManyImages(max_images) from error
        yield _sort(form)


def _sort(form: FormData) -> JobForm:
    models, fields = [], []
    pictures: list[Submission] = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name != IMAGES:
                raise InvalidParameter(
                    f"{name[:64]!r} is a file; files belong into the field {IMAGES!r}: -F {IMAGES}=@scan.png."
                )
            pictures.append(Submission(value.filename or "", value.read))
        elif name == IMAGES:
            raise MissingImages(text_for_file(IMAGES, value))
        elif name == UPLOADS:
            upload, _, shown = value.partition("/")  # <id>, or <id>/<file name>
            pictures.append(Submission(shown, upload=upload))
        elif name == MODEL:
            models.append(value)
        else:
            fields.append((name, value))
    if len(models) != 1:
        raise InvalidParameter(
            f"There has to be one field {MODEL!r}; there are {len(models)}. The fields of the form: "
            f"{described(form.multi_items())}. A job is sent so: {EXAMPLE}."
        )
    return JobForm(models[0], pictures, fields)
