"""What callers do with jobs: send them, look at them, take them back."""

import asyncio
import contextlib
import math
import re
import unicodedata
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from oncoserve.errors import (
    JobNotEnded,
    JobNotFound,
    JobsUnavailable,
    MissingImages,
    NothingToRetry,
    PictureNotKept,
    RequestError,
    TooManyImages,
    UploadNotFound,
    UploadsNotSupported,
    UploadTooLarge,
)
from oncoserve.jobs.job import ID_PATTERN, Fault, ImageMessage, Job, JobImage, JobRecord, Outcome, Progress, State
from oncoserve.jobs.ports import Adapters, Backlog, Page, PresignedUpload
from oncoserve.jobs.queue_room import Room
from oncoserve.pictures.decode import check, check_beginning
from oncoserve.runtime.disk import Disk
from oncoserve.runtime.threads import CpuThreads

UPLOAD_LIFE_S = 3600
NAME_LIMIT = 200
BACKLOG_S = 2.0  # who asks for it asks again soon
HEADER_BYTES = 2**18  # of an upload that lies in the store: enough for the header of most pictures

T = TypeVar("T")


@dataclass(frozen=True)
class JobLimits:
    """What one job may be.

    Attributes:
        life_s: seconds after which it expires.
        max_images: their number.
        max_image_pixels: width times height of each.
        max_upload_bytes: of each.
        room: images that may wait.
        timeout_s: seconds that a caller waits for each step of the storage.
    """

    life_s: int
    max_images: int
    max_image_pixels: int
    max_upload_bytes: int
    room: Room = field(default_factory=lambda: Room(10_000, 50_000))
    timeout_s: float = math.inf


@dataclass(frozen=True)
class Submission:
    """One picture as it was sent.

    Attributes:
        name: the caller's file name, any text.
        read: gives the bytes; called once, when it is its turn.
        upload: id of an upload, instead of bytes.
    """

    name: str
    read: Callable[[], Awaitable[bytes]] | None = None
    upload: str = ""


class Jobs:
    """Jobs of all owners; each sees its own alone.

    Args:
        adapters: queue, records, pictures.
        limits: what a job may be.
        threads: where pictures are looked at.
        disk: that pictures and records are kept on; None where they are elsewhere.
    """

    def __init__(self, adapters: Adapters, limits: JobLimits, threads: CpuThreads, disk: Disk | None = None) -> None:
        self._to = adapters
        self.limits = limits
        self._threads = threads
        self._disk = disk

    async def check(self, owner: str | None) -> None:
        """Refuse a job early, before its pictures are read.

        Raises:
            StorageFull, StorageUnavailable: the disk has no room, or does not answer.
            TooManyQueuedImages, QueueFull, JobsUnavailable
        """
        if self._disk is not None:
            self._disk.check()
        self.limits.room.check(await self._wait(self._to.store.queued(owner)), 1)

    async def submit(
        self, owner: str | None, model: str, parameters: Mapping[str, Any], pictures: Sequence[Submission]
    ) -> Job:
        """Keep the pictures and put them into the queue. One that is refused fails alone, with its error.

        Args:
            owner: name of the API key.
            model: of a model that is known.
            parameters: the task's, valid, as JSON values.
            pictures: in order; read one at a time.

        Raises:
            MissingImages, TooManyImages, JobsUnavailable: nothing of the job is left.
        """
        if not pictures:
            raise MissingImages
        if len(pictures) > self.limits.max_images:
            raise TooManyImages(self.limits.max_images)
        if self._disk is not None:
            self._disk.check()
        now = datetime.now(UTC)
        job_id = uuid4().hex
        kept: list[JobImage] = []
        try:
            for index, picture in enumerate(pictures):
                kept.append(await self._keep(picture, f"jobs/{job_id}/{index}", owner))
            expires = datetime.fromtimestamp(self._to.clock.stamp() + self.limits.life_s, UTC)
            progress = Progress.of(image.state for image in kept)
            job = Job(JobRecord(job_id, owner, model, parameters, now, now, expires, progress), tuple(kept))
            await self._wait(self._to.store.create(job, _messages(job), self.limits.room))
        except BaseException:
            with contextlib.suppress(JobsUnavailable):  # the sweep takes what stays
                await self._wait(self._to.store.delete(job_id))
                await self._remove_pictures(kept)
            raise
        return job

    async def _keep(self, picture: Submission, key: str, owner: str | None) -> JobImage:
        name = clean_name(picture.name)
        try:
            if picture.read is None:
                key = _upload_key(owner, picture.upload)
                await self._threads.run(self._check_header, await self._wait(self._to.objects.get(key, HEADER_BYTES)))
            else:
                data = await picture.read()
                await self._threads.run(check, data, self.limits.max_image_pixels)
                await self._wait(self._to.objects.put(key, data))
        except RequestError as error:
            return JobImage(name, "", State.FAILED, outcome=Outcome(fault=Fault.of(error)))
        return JobImage(name, key)

    def _check_header(self, beginning: bytes) -> None:
        check_beginning(beginning, self.limits.max_image_pixels)

    async def get(self, owner: str | None, job_id: str) -> Job:
        """A job of this owner; an expired one without names and results.

        Raises:
            JobNotFound, JobsUnavailable
        """
        job = await self._wait(self._to.store.get(job_id)) if re.fullmatch(ID_PATTERN, job_id) else None
        if job is None or job.record.owner != owner:
            raise JobNotFound(job_id)
        return job.bare() if self.state(job.record) is State.EXPIRED else job

    async def page(self, owner: str | None, cursor: str | None, limit: int) -> Page:
        """Some jobs of this owner; see the port."""
        page = await self._wait(self._to.store.page(owner, cursor, limit))
        shown = [each.bare() if self.state(each) is State.EXPIRED else each for each in page.jobs]
        return Page(shown, page.cursor)

    def state(self, record: JobRecord) -> State:
        """What a job is now."""
        return record.state(datetime.fromtimestamp(self._to.clock.now(), UTC))

    async def results_in_use(self) -> Collection[str]:
        """Ids of results that a job which has not ended has; see the port."""
        return await self._to.store.results_in_use()

    async def delete(self, owner: str | None, job_id: str) -> None:
        """Take a job back: what waits is not worked on any more, its pictures and its record are gone.

        Raises:
            JobNotFound, JobsUnavailable
        """
        job = await self.get(owner, job_id)
        await self._wait(self._to.store.delete(job_id))
        await self._remove_pictures(job.images)

    async def retry(self, owner: str | None, job_id: str) -> Job:
        """A new job of the images that were given up, with the pictures that were kept of them.

        Images that were refused for what their pictures are would be refused again, and are left out.

        Raises:
            JobNotFound, JobNotEnded, NothingToRetry, TooManyQueuedImages, QueueFull, JobsUnavailable
        """
        job = await self.get(owner, job_id)
        record = job.record
        if not self.state(record).ended:
            raise JobNotEnded(job_id, record.progress.queued + record.progress.running)
        again = [each for each in job.images if each.retryable]
        if not again:
            raise NothingToRetry(job_id, record.progress.failed, expired=self.state(record) is State.EXPIRED)
        pictures = [Submission(each.name, partial(self._again, each.object)) for each in again]
        return await self.submit(owner, record.model, record.parameters, pictures)

    async def _again(self, key: str) -> bytes:
        with contextlib.suppress(UploadNotFound):
            return await self._wait(self._to.objects.get(key))
        raise PictureNotKept

    async def backlog(self) -> Mapping[str, Backlog]:
        """What waits for the workers; see the port."""
        return await self._wait(self._to.queue.backlog(), BACKLOG_S)

    async def close(self) -> None:
        """Let go of the adapters."""
        await self._to.close()

    async def _remove_pictures(self, kept: Sequence[JobImage]) -> None:
        for image in kept:
            # Where an image has ended the worker has mostly done so, and many deletions take long.
            if image.object and (image.retryable or not image.state.ended):
                await self._wait(self._to.objects.delete(image.object))

    async def position(self, record: JobRecord) -> int | None:
        """Images of other jobs that come first, while nothing of this one has begun; None when that is not known."""
        if self.state(record) is not State.QUEUED:
            return None
        return await self._wait(self._to.queue.ahead(record.id, record.model))

    async def _wait(self, answer: Awaitable[T], at_most_s: float = math.inf) -> T:
        """The answer of the storage, for as long as a caller waits for it.

        Raises:
            JobsUnavailable: it takes longer; it may be done all the same.
        """
        timeout_s = min(self.limits.timeout_s, at_most_s)
        try:
            async with asyncio.timeout(None if math.isinf(timeout_s) else timeout_s) as timer:
                return await answer
        except TimeoutError as error:
            if timer.expired():
                raise JobsUnavailable(f"it did not answer within {timeout_s:g} s") from error
            raise

    async def upload(
        self, owner: str | None, size_bytes: int, sha256: str | None = None
    ) -> tuple[str, PresignedUpload]:
        """An address for one picture, and the id that names it in a job.

        Raises:
            UploadTooLarge: before anything is sent.
            UploadsNotSupported: the storage has no addresses of its own.
        """
        if size_bytes > self.limits.max_upload_bytes:
            raise UploadTooLarge(size_bytes, self.limits.max_upload_bytes)
        upload_id = uuid4().hex
        key = _upload_key(owner, upload_id)
        address = await self._to.objects.presign_put(key, size_bytes, UPLOAD_LIFE_S, sha256)
        if address is None:
            raise UploadsNotSupported
        return upload_id, address


def clean_name(name: str) -> str:
    """The last component of a file name as a browser or a script may send it, without control characters."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(each for each in last if unicodedata.category(each)[0] != "C")
    return shown[:NAME_LIMIT] or "image"


def _upload_key(owner: str | None, upload_id: str) -> str:
    """Where an upload lies; an owner's own folder, so that nobody can name the upload of another."""
    if not re.fullmatch(ID_PATTERN, upload_id):
        raise UploadNotFound
    return f"uploads/{upload_id}" if owner is None else f"uploads/keys/{owner}/{upload_id}"


def _messages(job: Job) -> list[ImageMessage]:
    record = job.record
    return [
        ImageMessage(
            job_id=record.id,
            index=index,
            model=record.model,
            object=image.object,
            parameters=dict(record.parameters),
            owner=record.owner,
        )
        for index, image in enumerate(job.images)
        if not image.state.ended
    ]
