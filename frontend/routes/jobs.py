"""POST, GET and DELETE /v1/jobs, and POST /v1/uploads; nothing here asks the inference server."""

import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.datastructures import Headers
from starlette.responses import Response

from frontend.http.links import JOBS, root_of
from frontend.http.shapes.job_shapes import JobShape, JobsShape, UploadRequest, UploadShape
from frontend.routes.answers import JSON, problems, query
from frontend.routes.job_documents import job_document, page_document
from frontend.routes.job_forms import read_job
from frontend.routes.uploads import parse_parameters
from oncoserve.errors import MissingImages
from oncoserve.jobs.job import Job
from oncoserve.jobs.service import Jobs
from oncoserve.tasks import TASKS
from oncoserve.tasks.base import Task

LONGEST_PAGE = 100
ACCEPTED, CREATED = 202, 201
ASYNC = re.compile(r"(?:^|,)\s*respond-async\s*(?:[;,]|$)", re.IGNORECASE)

FORM: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["model"],
                "properties": {
                    "model": {"type": "string"},
                    "images": {"type": "array", "items": {"type": "string", "format": "binary"}},
                    "uploads": {"type": "array", "items": {"type": "string"}},
                    **{each["name"]: each["schema"] for each in query(*(task.parameters for task in TASKS))},
                },
            },
        },
    },
}


def router(jobs: Jobs, task_of: Callable[[str], Task]) -> APIRouter:
    """The routes of this module.

    Args:
        jobs: what they give access to.
        task_of: the task of the model of that name; raises ModelNotFound and its like.
    """
    routes = APIRouter(tags=["jobs"])

    @routes.post(
        JOBS,
        summary="Ask a model about many pictures, later",
        status_code=ACCEPTED,
        response_model=JobShape,
        responses=problems(400, 404, 408, 413, 422, 429, 503),
        openapi_extra={"requestBody": FORM},
    )
    async def submit(request: Request) -> Response:
        """Send each file in a field `images`, or the id of its upload in `uploads`, as `<id>` or `<id>/<file name>`.

        One that is refused fails alone; the others are worked on.
        """
        await jobs.check(request.state.owner)
        async with read_job(request, jobs.limits.max_images) as form:
            if not form.pictures:
                raise MissingImages
            parameters = parse_parameters(task_of(form.model).parameters, form.fields)
            job = await jobs.submit(request.state.owner, form.model, parameters.asked(), form.pictures)
        return await accepted(jobs, job, root_of(request.scope))

    @routes.get(JOBS, summary="Your jobs, newest first", responses=problems(422, 503))
    async def list_jobs(
        request: Request, limit: Annotated[int, Query(ge=1, le=LONGEST_PAGE)] = 20, cursor: str | None = None
    ) -> JobsShape:
        """Without their images. `next` is the address of the following page."""
        return await page_document(jobs, request.state.owner, cursor, limit, root_of(request.scope))

    @routes.get(f"{JOBS}/{{job}}", summary="A job with its images", responses=problems(404, 503))
    async def read_job_again(job: str, request: Request) -> JobShape:
        """How far it is, and where the results are."""
        return await job_document(jobs, await jobs.get(request.state.owner, job), root_of(request.scope))

    @routes.post(
        f"{JOBS}/{{job}}/retry",
        summary="Try again what the service gave up",
        status_code=ACCEPTED,
        response_model=JobShape,
        responses=problems(404, 409, 429, 503),
    )
    async def retry(job: str, request: Request) -> Response:
        """A new job of the images whose `error` says `retryable`, with the pictures that were kept of them.

        The old job stays as it is. Images that were refused for their pictures are left out: send those in a new job
        when they have been put right.
        """
        await jobs.check(request.state.owner)
        return await accepted(jobs, await jobs.retry(request.state.owner, job), root_of(request.scope))

    @routes.delete(f"{JOBS}/{{job}}", summary="Take a job back", status_code=204, responses=problems(404, 503))
    async def delete_job(job: str, request: Request) -> None:
        """What waits is cancelled; pictures and file names are gone. Results stay, they have their own DELETE."""
        await jobs.delete(request.state.owner, job)

    @routes.post(
        "/v1/uploads",
        summary="An address for a large picture",
        status_code=CREATED,
        responses=problems(400, 408, 413, 422, 501, 503),
    )
    async def create_upload(upload: UploadRequest, request: Request) -> UploadShape:
        """Send the picture there, then name the id in a field `uploads` of a job."""
        upload_id, address = await jobs.upload(request.state.owner, upload.bytes, upload.sha256)
        expires = address.expires.isoformat(timespec="milliseconds")
        return UploadShape(id=upload_id, url=address.url, headers=dict(address.headers), expires=expires)

    return routes


def prefers_async(headers: Headers) -> bool:
    """Whether `Prefer` (RFC 7240) asks for an answer before the work is done."""
    return bool(ASYNC.search(headers.get("prefer", "")))


async def accepted(jobs: Jobs, job: Job, root: str) -> Response:
    """202 with the job's document and its address, which begins with `root`, see `links.root_of`."""
    document = await job_document(jobs, job, root)
    headers = {"Location": document.links["self"]}
    return Response(document.model_dump_json(), ACCEPTED, headers, JSON)
