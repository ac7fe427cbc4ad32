"""The shapes of jobs over HTTP."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from oncoserve.jobs.job import ID_PATTERN


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FaultShape(_Shape):
    """Why an image has no result: the fields of the error that an upload would have got.

    `retryable`: the service gave it up, and kept its picture: POST /v1/jobs/{id}/retry tries it again.
    """

    code: str
    title: str
    detail: str
    retryable: bool


class JobImageShape(_Shape):
    """One image of a job; `result` and its links are there when it has SUCCEEDED, `error` when it has FAILED.

    `finding` holds the few numbers of the result that a list shows, by its task; null where they were not kept.
    """

    name: str
    state: Literal["QUEUED", "RUNNING", "SUCCEEDED", "FAILED"]
    result: str | None
    finding: dict[str, Any] | None
    links: dict[str, str]
    error: FaultShape | None
    attempts: int


class ProgressShape(_Shape):
    """Numbers of images."""

    total: int
    queued: int
    running: int
    succeeded: int
    failed: int


class JobSummaryShape(_Shape):
    """A job without its images. `position` is the number of images of other jobs that come first, where known.

    Ended, it has SUCCEEDED with all of them, FAILED with all of them, or is PARTIAL.
    """

    id: str = Field(pattern=ID_PATTERN)
    state: Literal["QUEUED", "RUNNING", "SUCCEEDED", "PARTIAL", "FAILED", "EXPIRED"]
    model: str
    parameters: dict[str, Any]
    created: str
    updated: str
    expires: str
    progress: ProgressShape
    position: int | None
    links: dict[str, str]


class JobShape(JobSummaryShape):
    """A job with its images, in the order in which they were sent."""

    images: list[JobImageShape]


class JobsShape(_Shape):
    """Some of the caller's jobs, newest first, and where the next ones are."""

    jobs: list[JobSummaryShape]
    next: str | None


class UploadRequest(_Shape):
    """What will be uploaded: its size in bytes and, to have it checked on arrival, its sha256 in hexadecimal digits."""

    name: str = Field(default="", max_length=1000)
    bytes: int = Field(ge=1)
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")


class UploadShape(_Shape):
    """Where to send it: with this method and exactly these headers, before it expires."""

    id: str = Field(pattern=ID_PATTERN)
    method: Literal["PUT"] = "PUT"
    url: str
    headers: dict[str, str]
    expires: str
