"""What jobs need from outside: a place for bytes, a queue, a place for records. `embedded/` and `aws/` provide them.

All raise `JobsUnavailable` when the service behind them does not answer: whoever calls waits and tries again.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from oncoserve.jobs.job import ImageMessage, Job, JobRecord, Outcome
from oncoserve.jobs.queue_room import Queued, Room
from oncoserve.runtime.service_clock import Clock


@dataclass(frozen=True)
class PresignedUpload:
    """Where the caller sends the bytes of an upload itself: a PUT with exactly these headers, until it expires."""

    url: str
    headers: Mapping[str, str]
    expires: datetime


class ObjectStore(Protocol):
    """Bytes by key. A key is `part/part/...` of letters, digits, dots, hyphens and underscores."""

    async def put(self, key: str, data: bytes) -> None:
        """Keep bytes; when it returns they survive a crash. What had the key is replaced, never half."""
        ...

    async def get(self, key: str, first_bytes: int | None = None) -> bytes:
        """The bytes, or no more than the first of them.

        Raises:
            UploadNotFound: there are none.
        """
        ...

    async def delete(self, key: str) -> None:
        """Remove them; nothing happens when there are none."""
        ...

    async def presign_put(
        self, key: str, size_bytes: int, expires_s: int, sha256: str | None = None
    ) -> PresignedUpload | None:
        """An address that takes exactly this upload; None where the store has no addresses of its own."""
        ...

    async def presign_get(self, key: str, expires_s: int) -> str | None:
        """An address that gives the bytes; None where the store has none."""
        ...

    async def sweep(self, known: "Callable[[Sequence[str]], Awaitable[Collection[str]]]") -> int:
        """Remove pictures of jobs that do not exist, if nothing else does so; returns how many.

        A process that is killed while it takes a job leaves them behind. To tell them from those of a job that is being
        sent, they have to be there, unchanged, over several calls of one process, as long as no job takes.

        Args:
            known: says which of these jobs exist.
        """
        ...


@dataclass(frozen=True)
class Lease:
    """A message that is this worker's until its time is over; then another worker gets it.

    Attributes:
        model: the queue that it is of.
        body: the message as it came, not checked.
        receipt: proves this delivery to the queue.
        deliveries: how often it was handed out, this time included.
    """

    model: str
    body: str = field(repr=False)
    receipt: str
    deliveries: int


@dataclass(frozen=True)
class Backlog:
    """Numbers of messages of one model: free to be received (or waiting for their time), leased, and dead."""

    waiting: int
    in_flight: int
    dead: int


@dataclass(frozen=True)
class DeadLetter:
    """A message that nobody will try again, for people."""

    model: str
    body: str
    reason: str


class JobQueue(Protocol):
    """Messages by model, each delivered at least once: a lease that runs out is handed out again."""

    async def send(self, messages: Sequence[ImageMessage]) -> None:
        """Add messages; all of them or an error. After an error some may be there, whose job is not."""
        ...

    async def tidy(self) -> None:
        """Let messages that are to come much later than any lease lasts come now, if nothing else does so."""
        ...

    async def receive(self, model: str, limit: int, wait_s: float) -> Sequence[Lease]:
        """Lease up to `limit` messages of a model; waits up to `wait_s` for the first one.

        A lease lasts for the queue's visibility timeout.
        """
        ...

    async def extend(self, lease: Lease, seconds: float) -> None:
        """The heartbeat: let the lease last for so long from now. A lease that was lost stays lost, without error."""
        ...

    async def acknowledge(self, lease: Lease) -> None:
        """The message is done with. Does nothing for a lease that was lost."""
        ...

    async def release(self, lease: Lease, delay_s: float) -> None:
        """Give the message back, to be handed out again after a delay. Does nothing for a lease that was lost."""
        ...

    async def bury(self, lease: Lease, reason: str) -> None:
        """Put the message to the dead letters, with the reason. Does nothing for a lease that was lost."""
        ...

    async def backlog(self) -> Mapping[str, Backlog]:
        """What there is to do, by model."""
        ...

    async def ahead(self, job_id: str, model: str) -> int | None:
        """Messages of other jobs that wait before this job's first; None where the queue cannot tell."""
        ...

    async def dead(self, limit: int) -> Sequence[DeadLetter]:
        """Dead letters, newest first."""
        ...


@dataclass(frozen=True)
class Page:
    """Some of an owner's jobs, newest first.

    Attributes:
        jobs: the records.
        cursor: where the next page begins; None after the last one.
    """

    jobs: Sequence[JobRecord]
    cursor: str | None


class JobStore(Protocol):
    """Records of jobs. Every change of an image's state is conditional, so that each image ends once."""

    async def create(self, job: Job, messages: Sequence[ImageMessage] = (), room: "Room | None" = None) -> None:
        """Keep a new job and put its messages into the queue. Images that have an outcome already keep it.

        Whenever the process is killed, no job is shown without its messages.

        Args:
            job: the job.
            messages: of its images that wait.
            room: how many may wait; None where that was asked before.

        Raises:
            TooManyQueuedImages, QueueFull: too many wait, so nothing was kept.
        """
        ...

    async def queued(self, owner: str | None) -> Queued:
        """Numbers of images that wait."""
        ...

    async def known(self, job_ids: Sequence[str]) -> Collection[str]:
        """Which of these jobs exist."""
        ...

    async def results_in_use(self) -> Collection[str]:
        """Ids of the results of jobs that have not ended; none where callers read results elsewhere."""
        ...

    async def get(self, job_id: str) -> Job | None:
        """A job of any owner; None when it is not there."""
        ...

    async def page(self, owner: str | None, cursor: str | None, limit: int) -> Page:
        """Jobs of one owner.

        Raises:
            InvalidParameter: the cursor is not one of ours.
        """
        ...

    async def begin(self, job_id: str, index: int) -> int | None:
        """Note that work on an image begins: it is RUNNING and has one attempt more.

        Returns:
            The number of its attempts, this one included; None when there is nothing to do: the image has ended, the
            job is gone or has expired.
        """
        ...

    async def withdraw(self, job_id: str, index: int, *, counted: bool) -> None:
        """Note that work on an image ended without an outcome: QUEUED again. `counted`: the attempt still counts."""
        ...

    async def finish(self, job_id: str, index: int, outcome: Outcome) -> bool:
        """Note how an image ended, if nobody did so before.

        Returns:
            Whether this was the first: False when the image has ended or the job is gone.
        """
        ...

    async def delete(self, job_id: str) -> None:
        """Remove a job; nothing happens when it is gone."""
        ...

    async def sweep(self, expired_before: datetime, gone_before: datetime) -> Sequence[str]:
        """Tidy up, if nothing else does so.

        Jobs that expired before the first time lose names and results, and stay as records; those that expired before
        the second one go.

        Returns:
            Keys of the objects that nobody needs any more.
        """
        ...


Show = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Makes of a stored result's document what callers get: the addresses in it are the front door's."""


class Publisher(Protocol):
    """Puts the results of jobs where callers find them."""

    async def publish(
        self,
        owner: str | None,
        document: Mapping[str, Any],
        files: Mapping[str, str],
        draw: Callable[[str], Awaitable[bytes]],
    ) -> None:
        """Called when a result is stored, before the image counts as ended; may be called again for the same one.

        Args:
            owner: whose result it is.
            document: its JSON document, with its `id`.
            files: the files that can be made of it, by what they are.
            draw: makes one of them, by its name.
        """
        ...


@dataclass(frozen=True)
class Adapters:
    """What stands behind the ports, and how to let go of it."""

    objects: ObjectStore
    queue: JobQueue
    store: JobStore
    publisher: Publisher
    clock: Clock
    close: Callable[[], Awaitable[None]]
