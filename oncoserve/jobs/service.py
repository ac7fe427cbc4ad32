"""What callers do with jobs: send them, look at them, take them back."""

import asyncio
import contextlib
import math
import re
from collections.abc import AsyncGenerator, Awaitable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from oncoserve.errors import (
    JobNotEnded,
    JobNotFound,
    JobsUnavailable,
    MissingImages,
    NothingToRetry,
    PictureNotKept,
    RequestError,
    UploadNotFound,
    UploadsNotSupported,
    UploadTooLarge,
)
from oncoserve.jobs.intake.intake import Intake
from oncoserve.jobs.intake.ordering import order_of
from oncoserve.jobs.intake.pieces import Piece
from oncoserve.jobs.intake.submission import Allowance, JobLimits, Submission, clean_name
from oncoserve.jobs.job import ID_PATTERN, Fault, ImageMessage, Job, JobImage, JobRecord, Outcome, Progress, State
from oncoserve.jobs.ports import Adapters, Backlog, Page, PresignedUpload
from oncoserve.pictures.decode import check_beginning
from oncoserve.runtime.budget import Budget
from oncoserve.runtime.threads import CpuThreads
from oncoserve.storage.storage import Storage

if TYPE_CHECKING:
    from oncoserve.pictures.dicom.standing import Standing

UPLOAD_LIFE_S = 3600
BACKLOG_S = 2.0  # who asks for it asks again soon
NOBODYS = "0" * 32  # a job's id
HEADER_BYTES = 2**18  # of an upload that lies in the store: enough for the header of most pictures

T = TypeVar("T")


class Jobs:
    """Jobs of all owners; each sees its own alone.

    Args:
        adapters: queue, records, pictures.
        limits: what a job may be.
        threads: where pictures are looked at.
        storage: where pictures and records are kept; None where it sees to itself.
        memory: for what is unpacked; None where nobody counts it.
    """

    def __init__(
        self,
        adapters: Adapters,
        limits: JobLimits,
        threads: CpuThreads,
        storage: Storage | None = None,
        memory: Budget | None = None,
    ) -> None:
        self._to = adapters
        self.limits = limits
        self._threads = threads
        self._storage = storage
        self._intake = Intake(limits, threads, memory)

    async def check(self, owner: str | None) -> None:
        """Refuse a job early, before its pictures are read.

        Raises:
            StorageFull, StorageUnavailable: it has no room, or does not answer.
            TooManyQueuedImages, QueueFull, JobsUnavailable
        """
        if self._storage is not None:
            self._storage.check()
        self.limits.room.check(await self._wait(self._to.store.queued(owner)), 1)

    async def submit(
        self, owner: str | None, model: str, parameters: Mapping[str, Any], pictures: Sequence[Submission]
    ) -> Job:
        """Keep the pictures and put them into the queue. One that is refused fails alone, with its error.

        Args:
            owner: name of the API key.
            model: of a model that is known.
            parameters: the task's, valid, as JSON values. Without a `frame` all frames of a file are asked about.
            pictures: files in order, read one at a time: pictures, and archives of them. See `order_of`.

        Raises:
            MissingImages, TooManyImages, JobTooLarge, UnusableArchive, SeveralStudies, NoRoom, JobsUnavailable: nothing
                of the job is left.
        """
        if not pictures:
            raise MissingImages
        allowance = Allowance(self.limits, len(pictures))
        now = datetime.now(UTC)
        job_id = uuid4().hex
        kept: list[JobImage] = []
        standings: list[Standing | None] = []
        try:
            for picture in pictures:
                async with contextlib.aclosing(self._pieces(owner, picture, allowance, parameters)) as pieces:
                    async for piece in pieces:
                        standings.append(piece.standing)
                        kept.append(await self._keep(piece, f"jobs/{job_id}/{len(kept)}"))
            images = tuple(kept[place] for place in order_of(standings))
            expires = datetime.fromtimestamp(self._to.clock.stamp() + self.limits.life_s, UTC)
            progress = Progress.of(image.state for image in images)
            job = Job(JobRecord(job_id, owner, model, parameters, now, now, expires, progress), images)
            await self._wait(self._to.store.create(job, _messages(job), self.limits.room))
        except BaseException:
            with contextlib.suppress(JobsUnavailable):  # the sweep takes what stays
                await self._wait(self._to.store.delete(job_id))
                await self._remove_pictures(kept)
            raise
        return job

    async def _pieces(
        self, owner: str | None, sent: Submission, allowance: Allowance, parameters: Mapping[str, Any]
    ) -> AsyncGenerator[Piece]:
        if sent.read is not None:
            taken_in = self._intake.pieces(sent, allowance, all_frames=parameters.get("frame") is None)
            async with contextlib.aclosing(taken_in) as pieces:
                async for piece in pieces:
                    yield piece
            return
        name = clean_name(sent.name)
        try:
            key = _upload_key(owner, sent.upload)
            await self._threads.run(self._check_header, await self._wait(self._to.objects.get(key, HEADER_BYTES)))
            yield Piece(name, upload=key)
        except RequestError as error:
            yield Piece(name, fault=error)

    async def _keep(self, piece: Piece, key: str) -> JobImage:
        if piece.fault is not None:
            return JobImage(piece.name, "", State.FAILED, outcome=Outcome(fault=Fault.of(piece.fault)))
        if piece.upload:
            return JobImage(piece.name, piece.upload)
        if self._storage is not None:
            self._storage.check()
        await self._wait(self._to.objects.put(key, piece.data))
        return JobImage(piece.name, key)

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

    async def look(self) -> None:
        """Ask the storage something that it need not search for.

        Raises:
            JobsUnavailable: it does not answer.
        """
        await self._wait(self._to.store.get(NOBODYS), BACKLOG_S)

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
