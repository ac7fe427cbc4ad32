"""What a job is: pictures that are asked about later, the state of each, and the message that stands for one."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from oncoserve.errors import AttemptsExhausted, ModelProcessEnded, PlatformError

ID_PATTERN = "^[0-9a-f]{32}$"
RECORD_KEPT = timedelta(days=30)  # of an expired job: that it was, not what was in it
# Faults of the service or of its model, not surely of the picture: their pictures are kept until the job expires.
GIVEN_UP = frozenset({AttemptsExhausted.code, ModelProcessEnded.code})


class State(StrEnum):
    """Of a job, and of each of its images; only a job can be PARTIAL, and only a job expires."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"

    @property
    def ended(self) -> bool:
        """Whether it never changes again, but for expiry."""
        return self not in {State.QUEUED, State.RUNNING}


@dataclass(frozen=True)
class Fault:
    """Why an image has no result, for the caller: a PlatformError in a record."""

    code: str
    title: str
    detail: str

    @classmethod
    def of(cls, error: PlatformError) -> Self:
        """What the caller would have been told at once."""
        return cls(error.code, error.title, error.detail)

    @property
    def retryable(self) -> bool:
        """Whether the same picture, which is kept, may give a result another time."""
        return self.code in GIVEN_UP


@dataclass(frozen=True)
class Outcome:
    """How an image ended: with a result, or with a fault.

    Attributes:
        result: the result's id.
        files: the files that can be made of the result: name of the link -> file name ("overlay" -> "overlay.png").
        fault: why there is no result.
        finding: the result's numbers that a list shows, see `finding_of`; None in records of older versions, and where
            there is no result.
    """

    result: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    finding: Mapping[str, Any] | None = None

    @property
    def state(self) -> State:
        """The state that it leaves the image in."""
        return State.FAILED if self.result is None else State.SUCCEEDED


@dataclass(frozen=True)
class JobImage:
    """One picture of a job.

    Attributes:
        name: the caller's own file name; may identify a person, so it is kept here alone and never logged.
        object: key of its bytes in the object store; empty for one that failed before it was stored.
        attempts: how often work on it was begun.
        outcome: how it ended; None while it has not.
    """

    name: str
    object: str
    state: State = State.QUEUED
    attempts: int = 0
    outcome: Outcome | None = None

    @property
    def retryable(self) -> bool:
        """Whether it has failed and may be tried again with the picture that is kept."""
        return bool(self.object and self.outcome and self.outcome.fault and self.outcome.fault.retryable)


@dataclass(frozen=True)
class Progress:
    """Numbers of images by state."""

    total: int
    queued: int
    running: int
    succeeded: int
    failed: int

    @classmethod
    def of(cls, states: Iterable[State]) -> Self:
        """Count them."""
        count = Counter(states)
        numbers = (count[state] for state in (State.QUEUED, State.RUNNING, State.SUCCEEDED, State.FAILED))
        return cls(count.total(), *numbers)

    @property
    def state(self) -> State:
        """The job's: ended with its last image; a success where every image has a result.

        An image that was refused before it came into the queue has failed, and yet nothing has begun.
        """
        if self.queued or self.running:
            return State.RUNNING if self.running or self.succeeded else State.QUEUED
        if self.succeeded and self.failed:
            return State.PARTIAL
        return State.SUCCEEDED if self.succeeded else State.FAILED


@dataclass(frozen=True)
class JobFinding:
    """What the images of a job came to together, so that a list of jobs needs no results.

    Attributes:
        labels: numbers of images by the class that was named, the largest first.
        undetermined: numbers of those without a class, by the code of the reason; likewise.
        warned: number of images whose result warns of something.
        image: the finding of the only image, in a job of one.
    """

    labels: Mapping[str, int] = field(default_factory=dict)
    undetermined: Mapping[str, int] = field(default_factory=dict)
    warned: int = 0
    image: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, findings: Iterable[tuple[Mapping[str, Any] | None, int]]) -> Self | None:
        """Count them; None while no image has a finding.

        Args:
            findings: of all images of the job, each with the number of images that are alike in what is counted here.
        """
        labels, undetermined, total, warned, found = Counter[str](), Counter[str](), 0, 0, None
        for finding, images in findings:
            total += images
            if finding is None:
                continue
            found = finding
            warned += images if finding.get("warnings") else 0
            if isinstance(label := finding.get("label"), str):
                labels[label] += images
            elif isinstance(code := finding.get("undetermined"), str):
                undetermined[code] += images
        if found is None:
            return None
        return cls(_most(labels), _most(undetermined), warned, found if total == 1 else None)


def _most(count: Counter[str]) -> dict[str, int]:
    return dict(sorted(count.items(), key=lambda each: (-each[1], each[0])))


@dataclass(frozen=True)
class JobRecord:
    """A job without its images.

    Attributes:
        id: 32 hexadecimal digits.
        owner: name of the API key; None where there are no keys.
        model: what is asked.
        parameters: the task's, valid, as JSON values.
        created, updated, expires: with time zone, UTC.
        progress: how far it is.
        finding: what it came to until now.
    """

    id: str
    owner: str | None
    model: str
    parameters: Mapping[str, Any]
    created: datetime
    updated: datetime
    expires: datetime
    progress: Progress
    finding: JobFinding | None = None

    def state(self, now: datetime) -> State:
        """What it is at this time."""
        return State.EXPIRED if now >= self.expires else self.progress.state

    def bare(self) -> Self:
        """What is shown of it when it has expired: that it was, not what was in it."""
        return replace(self, finding=None)


@dataclass(frozen=True)
class Job:
    """A job with its images, in the order in which they were sent."""

    record: JobRecord
    images: tuple[JobImage, ...]

    def bare(self) -> Self:
        """See `JobRecord.bare`."""
        images = tuple(replace(each, name="", outcome=None) for each in self.images)
        return replace(self, record=self.record.bare(), images=images)


class ImageMessage(BaseModel):
    """What travels through the queue: one image of a job. Read it with `model_validate_json`; it may be anything.

    Attributes:
        job_id: of a record in the job store.
        index: the image's place in the job.
        model: what is asked; also the queue that the message is in.
        object: key of the picture's bytes in the object store.
        parameters: the task's, as JSON values.
        owner: see `JobRecord`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1] = 1
    job_id: str = Field(pattern=ID_PATTERN)
    index: int = Field(ge=0)
    model: str = Field(min_length=1, max_length=200)
    object: str = Field(min_length=1, max_length=1000)
    parameters: dict[str, Any] = {}
    owner: str | None = Field(default=None, min_length=1, max_length=200)
