"""Handing pictures in as jobs: each once, however often the connection or the client breaks off in between."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from oncoserve.cli.client.client_errors import Lost, Refused, Unreachable
from oncoserve.cli.client.job_images import matched
from oncoserve.cli.client.picture_files import PictureFile, Upload, sent_name, stays_in_order
from oncoserve.cli.client.run_state import Attempt, Ending, RunState
from oncoserve.cli.client.service_client import Document, ServiceClient
from oncoserve.pictures.kinds.sniffing import is_zip

TOO_LARGE, NOT_IMPLEMENTED = 413, 501
OF_THE_PICTURE = {400, 413, 415, 422}  # another picture may be taken
LIMIT = re.compile(r"the limit is (\d+)")  # the service's own words for 413
LOOK_AGAIN_AFTER_S = 1.0  # a request that was cut off may still be on its way through the service
MOST_LOST = 5
SAFE_BYTES = 4_000_000  # in Base64, with the rest of the form, below the 6 MB that AWS Lambda takes


@dataclass(frozen=True)
class Order:
    """What is asked of the service.

    Args:
        model: by name.
        parameters: of its task.
        max_images: pictures a job.
        max_bytes: of the pictures of a job that carries them itself.
        upload_over_bytes: larger pictures go straight to the object store, where the service offers one.
    """

    model: str
    parameters: dict[str, str]
    max_images: int = 100
    max_bytes: int = SAFE_BYTES
    upload_over_bytes: int = SAFE_BYTES


class Sender:
    """Makes jobs.

    Args:
        service: who takes them.
        order: what is asked.
        state: gets what was handed in.
        report: called with the number of pictures that have just left.
    """

    def __init__(self, service: ServiceClient, order: Order, state: RunState, report: Callable[[int], object]) -> None:
        self._service, self._order, self._state, self._report = service, order, state, report
        self._max_images, self._max_bytes = order.max_images, order.max_bytes
        self._limit_bytes: int | None = None  # of a request, once the service has told it
        self._uploads_offered = True
        self._waiting: deque[PictureFile] = deque()

    def send(self, pictures: Iterable[PictureFile]) -> None:
        """Hand in what no earlier run has handed in.

        Raises:
            ClientError: it cannot go on; the state says how far it came.
        """
        self._settle()
        known = self._state.sent().keys() | self._state.done.keys()
        self._waiting.extend(each for each in pictures if each.name not in known)
        lost = 0
        while self._waiting:
            chunk = self._take()
            try:
                self._hand_in(chunk)
                lost = 0
            except Lost as error:
                lost += 1
                if lost == MOST_LOST:
                    raise Unreachable(f"No answer to a job handed in, {lost} times: {error}") from error
                if not self._settle():
                    self._put_back(chunk)
            except Refused as error:
                if error.status != NOT_IMPLEMENTED or not self._uploads_offered:
                    raise
                self._uploads_offered = False
                self._put_back(chunk)

    def _take(self) -> list[PictureFile]:
        """The next job's pictures: as many as the limits allow, at least one, all travelling the same way."""
        chunk = [self._waiting.popleft()]
        by_upload, total = self._by_upload(chunk[0]), chunk[0].size
        while self._waiting and len(chunk) < self._max_images:
            following = self._waiting[0]
            total += following.size
            if any(_mixed_up(each, following) for each in chunk):
                break
            if self._by_upload(following) != by_upload or (total > self._max_bytes and not by_upload):
                break
            chunk.append(self._waiting.popleft())
        return chunk

    def _put_back(self, chunk: Iterable[PictureFile]) -> None:
        """Let them wait at the front, without those that have ended."""
        self._waiting.extendleft(each for each in reversed([*chunk]) if each.name not in self._state.done)

    def _by_upload(self, picture: PictureFile) -> bool:
        return self._uploads_offered and picture.size > self._order.upload_over_bytes

    def _hand_in(self, chunk: list[PictureFile]) -> None:
        """Make one job, or put the pictures back to go in smaller ones or another way.

        Raises:
            Lost, Refused, Unreachable
        """
        by_upload = self._by_upload(chunk[0])
        hashes: dict[str, str] = {}
        images: list[Upload] = []
        uploads: list[str] = []
        for picture in chunk:
            image = self._read(picture)
            if image is None or (by_upload and not self._upload(picture, image, uploads)):
                continue
            hashes[picture.name] = image.sha256
            if not by_upload:
                images.append(image)
        if not hashes:
            return
        newest = self._service.newest_job()
        self._state.note_attempt(Attempt(hashes, newest and {"id": newest["id"], "created": newest["created"]}))
        try:
            job = self._service.create_job(self._order.model, self._order.parameters, images, uploads)
        except Refused as error:
            self._state.note_attempt(None)
            if error.status != TOO_LARGE:
                raise
            self._make_smaller(chunk, error)
        else:
            self._accept(job["id"], hashes)

    def _read(self, picture: PictureFile) -> Upload | None:
        """The picture's bytes; None where it cannot go, with the reason noted."""
        if self._limit_bytes is not None and picture.size > self._limit_bytes:
            self._fail(
                picture, "upload_too_large", f"{picture.size} bytes, not sent; the limit is {self._limit_bytes}."
            )
            return None
        try:
            found = picture.read()
        except OSError as error:
            self._fail(picture, "unreadable_file", f"{error.strerror or error}.")
            return None
        if is_zip(found.data):  # nobody could say which result is of which file in it
            self._fail(picture, "unsupported_image", "A ZIP archive, not sent: unpack it, and name its folder.")
            return None
        return found

    def _upload(self, picture: PictureFile, image: Upload, uploads: list[str]) -> bool:
        """Put the picture into the object store and its id on the list; False where that did not work."""
        try:
            uploads.append(self._service.upload(image))
        except Refused as error:
            if error.status not in OF_THE_PICTURE:
                raise
            self._fail(picture, error.code, error.detail)
            return False
        return True

    def _make_smaller(self, chunk: Sequence[PictureFile], error: Refused) -> None:
        """Learn from a 413, and try again with half; a picture that is too large by itself ends here."""
        told = LIMIT.search(error.detail)
        if len(chunk) == 1:
            self._fail(chunk[0], error.code, error.detail)
            self._limit_bytes = int(told[1]) if told else None
        else:
            self._max_images, self._max_bytes = len(chunk) // 2, sum(each.size for each in chunk) // 2
            self._put_back(chunk)

    def _settle(self) -> bool:
        """Find out whether the job that was being handed in was made, and note it if so."""
        attempt = self._state.attempt
        if attempt is None:
            return False
        self._service.sleep(LOOK_AGAIN_AFTER_S)
        for job in self._service.jobs():
            if attempt.after is not None and job["created"] < attempt.after["created"]:
                break
            if job["id"] not in self._state.jobs and self._is_of(attempt, job):
                self._accept(job["id"], attempt.pictures)
                return True
        self._state.note_attempt(None)
        return False

    def _is_of(self, attempt: Attempt, job: Document) -> bool:
        same = job["model"] == self._order.model and job["progress"]["total"] >= len(attempt.pictures)
        if not same or (attempt.after is not None and job["id"] == attempt.after["id"]):
            return False
        names = [image["name"] for image in self._service.job(job["id"])["images"]]
        return matched([*attempt.pictures], names) is not None

    def _accept(self, job: str, hashes: dict[str, str]) -> None:
        self._state.note_job(job, hashes)
        self._report(len(hashes))

    def _fail(self, picture: PictureFile, code: str, detail: str) -> None:
        self._state.note_done({picture.name: Ending("FAILED", None, code, detail)})
        self._report(1)


def _mixed_up(one: PictureFile, other: PictureFile) -> bool:
    """Whether nobody could tell their images in a job apart, since the service puts slices into an order of its own."""
    return sent_name(one.name) == sent_name(other.name) and not stays_in_order(one.name)
